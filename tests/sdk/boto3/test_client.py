"""How a user's program gets to the server: ``selfmaker run``, ``selfmaker env`` and ``selfmaker.activate()``."""

import json
import subprocess
import sys

import pytest

WHO = "import boto3, json; print(json.dumps(boto3.client('sts').get_caller_identity()['Account']))"


def python(server, program, *words, **options):
    """Run a program by this interpreter, with the environment of somebody who has configured nothing for AWS."""
    defaults = {"env": server.environment, "capture_output": True, "text": True, "timeout": 120}
    return subprocess.run([sys.executable, "-c", program, *words], **{**defaults, **options})


def test_run_uses_the_server_that_runs(server, account):
    account.put("seen-by-run", "yes")
    program = (
        "import boto3, sys; answer = boto3.client('s3').get_object(Bucket=sys.argv[1], Key='seen-by-run'); "
        "print(answer['Body'].read())"
    )
    result = server.selfmaker("run", "--", sys.executable, "-c", program, account.bucket)
    assert result.stdout.strip() == "b'yes'", result.stderr


def test_run_gives_back_the_commands_exit_code_and_output(server):
    result = server.selfmaker("run", "--", sys.executable, "-c", "import sys; print('out'); sys.exit(41)")
    assert (result.returncode, result.stdout) == (41, "out\n")


def test_run_starts_a_server_of_its_own_and_ends_it(server_process, tmp_path):
    fresh = server_process(tmp_path / "fresh")
    fresh.home.mkdir()
    result = fresh.selfmaker("run", "--", sys.executable, "-c", WHO)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == "123456789012"
    assert not (fresh.home / "run" / "server.json").exists()


def test_a_command_that_is_not_there_is_one_line(server):
    result = server.selfmaker("run", "--", "no-such-command-anywhere")
    assert result.returncode == 127
    assert "no-such-command-anywhere" in result.stderr
    assert "Traceback" not in result.stderr


def test_env_gives_a_shell_the_same(server):
    shell = f'eval "$({sys.executable} -m selfmaker.cli.main env)" && {sys.executable} -c "{WHO}"'
    result = subprocess.run(["bash", "-c", shell], env=server.environment, capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == '"123456789012"', result.stderr


@pytest.mark.parametrize(
    "program",
    [
        f"import selfmaker; selfmaker.activate(); {WHO}",
        f"import boto3, botocore.session, selfmaker; selfmaker.activate(); {WHO}",
        "import boto3, selfmaker; session = boto3.Session(); selfmaker.activate(); "
        "print(repr(session.client('sts').get_caller_identity()['Account']).replace(chr(39), chr(34)))",
    ],
    ids=["first", "after boto3", "after a session was made"],
)
def test_activate_works_before_and_after_boto3_is_imported(server, program):
    result = python(server, program)
    assert result.stdout.strip() == '"123456789012"', result.stderr


def test_activate_reaches_the_programs_that_the_program_starts(server):
    program = (
        "import selfmaker, subprocess, sys; selfmaker.activate(); "
        f"print(subprocess.check_output([sys.executable, '-c', {WHO!r}], text=True))"
    )
    assert python(server, program).stdout.strip() == '"123456789012"'


def test_the_hard_coded_sts_host_is_led_here(server):
    program = (
        "import boto3; print(boto3.client('sts', region_name='eu-west-1', "
        "endpoint_url='https://sts.eu-west-1.amazonaws.com').get_caller_identity()['Arn'])"
    )
    result = server.selfmaker("run", "--", sys.executable, "-c", program)
    assert "assumed-role/SageMakerRole" in result.stdout, result.stderr


def test_a_profile_of_the_users_own_does_not_lead_away(server, tmp_path):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[profile work]\nregion = eu-north-1\n")
    (tmp_path / ".aws" / "credentials").write_text(
        "[work]\naws_access_key_id = AKIDREAL\naws_secret_access_key = real\n"
    )
    program = "import boto3; print(boto3.Session(profile_name='work').client('sts').get_caller_identity()['Account'])"
    environment = {**server.environment, "HOME": str(tmp_path), "AWS_PROFILE": "work"}
    result = server.selfmaker("run", "--", sys.executable, "-c", program, env=environment)
    assert result.stdout.strip() == "123456789012", result.stderr


def test_commands_show_jobs_and_logs(account):
    described = account.succeed("print('seen in the terminal')")
    name = described["TrainingJobName"]
    jobs = json.loads(account.server.selfmaker("jobs", "--json").stdout)
    assert name in json.dumps(jobs)
    assert "seen in the terminal" in account.server.selfmaker("logs", name).stdout
    unknown = account.server.selfmaker("logs", "nobody-of-that-name")
    assert unknown.returncode != 0
    assert "Traceback" not in unknown.stderr
    assert "nobody-of-that-name" in unknown.stderr


def test_stop_command_stops(account):
    name = account.create("import time\nprint('ready', flush=True)\ntime.sleep(600)")
    account.until_logged(name, "ready")
    result = account.server.selfmaker("stop", name)
    assert result.returncode == 0, result.stderr
    assert account.ended(name)["TrainingJobStatus"] == "Stopped"


def test_logs_can_be_followed_to_the_end(account):
    name = account.create("import time\nfor i in range(20):\n    print('tick', i, flush=True)\n    time.sleep(0.05)")
    result = account.server.selfmaker("logs", name, "-f")
    ticks = [line.split("tick ")[1] for line in result.stdout.splitlines() if "tick " in line]
    assert ticks == [str(i) for i in range(20)]


def test_status_and_operations(server):
    status = server.selfmaker("status")
    assert status.returncode == 0
    assert str(server.document("server")["port"]) in status.stdout
    operations = server.selfmaker("operations", "--json").stdout
    assert "CreateTrainingJob" in operations
    assert "InvokeEndpoint" in operations


def test_doctor_reports_on_the_sandbox(server):
    result = server.selfmaker("doctor")
    assert "sandbox" in result.stdout.lower()
    assert "Traceback" not in result.stderr
