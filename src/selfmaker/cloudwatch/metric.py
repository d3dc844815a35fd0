"""The metrics there are."""

import re
from typing import Any

from selfmaker import clock
from selfmaker.aws.operation import Call, Output, Request, operation
from selfmaker.cloudwatch import reading
from selfmaker.store.metrics import Metric, Metrics

_PAGE = 500
_THREE_HOURS = 10_800.0
_TOKEN = re.compile(r"[0-9]{1,18}")


@operation("cloudwatch", "ListMetrics")
def list_metrics(call: Call, request: Request) -> Output:
    token = request.get("NextToken")
    if token is not None and not _TOKEN.fullmatch(token):
        raise reading.bad_value("The value for parameter NextToken is invalid.")
    found = call.use(Metrics).list(
        call.region,
        namespace=request.get("Namespace"),
        name=request.get("MetricName"),
        since=clock.now() - _THREE_HOURS if "RecentlyActive" in request else 0.0,
        after=int(token or 0),
    )
    wanted = request.get("Dimensions", [])
    fitting = [(number, metric) for number, metric in found if _fits(metric, wanted)]
    page = fitting[:_PAGE]
    return {
        "Metrics": [_shown(metric) for _, metric in page],
        "NextToken": str(page[-1][0]) if len(fitting) > _PAGE else None,
    }


def _fits(metric: Metric, wanted: list[dict[str, str]]) -> bool:
    return all(
        dimension["Name"] in metric.dimensions
        and dimension.get("Value") in (None, metric.dimensions[dimension["Name"]])
        for dimension in wanted
    )


def _shown(metric: Metric) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions.items()]
    return {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
