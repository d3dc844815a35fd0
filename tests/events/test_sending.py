"""What cannot be sent is known for it."""

from typing import Any, cast

import pytest

from selfmaker.aws.errors import AwsError
from selfmaker.aws.port import Port
from selfmaker.events import sending
from selfmaker.store.deliveries import Delivery


@pytest.mark.parametrize("arn", ["no arn", "arn:aws:sns:us-east-1:123456789012:topic", "arn:x"])
def test_a_target_that_nothing_can_be_sent_to_is_given_up(arn: str) -> None:
    delivery = Delivery("us-east-1", "arn:aws:s3:::b", {"Id": "t", "Arn": arn}, {"Records": []}, 0, 0)
    with pytest.raises(AwsError) as caught:
        sending.send(cast(Any, Port), delivery)
    assert not sending.may_pass(caught.value)
