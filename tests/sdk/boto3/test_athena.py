"""SQL over tables as a user of boto3 knows it."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.frameworks


class Sql:
    """A user who asks and waits."""

    def __init__(self, server: Any, account: Any) -> None:
        self.athena, self.glue, self.account = server.client("athena"), server.client("glue"), account
        self.output = f"s3://{account.bucket}/athena"

    def start(self, sql: str, **members: Any) -> str:
        request: dict[str, Any] = {"ResultConfiguration": {"OutputLocation": self.output}, **members}
        return str(self.athena.start_query_execution(QueryString=sql, **request)["QueryExecutionId"])

    def ended(self, name: str) -> dict[str, Any]:
        deadline = time.monotonic() + 120
        while True:
            execution: dict[str, Any] = self.athena.get_query_execution(QueryExecutionId=name)["QueryExecution"]
            if execution["Status"]["State"] not in ("QUEUED", "RUNNING"):
                return execution
            assert time.monotonic() < deadline

    def rows(self, sql: str, **members: Any) -> list[list[str | None]]:
        execution = self.ended(self.start(sql, **members))
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        name = execution["QueryExecutionId"]
        pages = self.athena.get_paginator("get_query_results").paginate(QueryExecutionId=name)
        rows = [row for page in pages for row in page["ResultSet"]["Rows"]]
        return [[datum.get("VarCharValue") for datum in row["Data"]] for row in rows]

    def problem(self, sql: str) -> str:
        status = self.ended(self.start(sql))["Status"]
        assert status["State"] == "FAILED"
        return str(status["StateChangeReason"])


@pytest.fixture(scope="module")
def sql(server: Any, account: Any) -> Sql:
    return Sql(server, account)


@pytest.fixture(scope="module")
def table(sql: Sql) -> str:
    name = sql.account.unique("people").replace("-", "_")
    sql.account.put(f"{name}/a.csv", 'id,name,born\n1,Ann,2000-01-01\n2,"Bob, B",1990-05-05\n')
    sql.account.put(f"{name}/b.csv", "id,name,born\n3,Cy,1980-01-01\n")
    assert (
        sql.rows(
            f"CREATE EXTERNAL TABLE IF NOT EXISTS {name} (id bigint, `name` string, born date)\n"
            "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'\n"
            "WITH SERDEPROPERTIES ('separatorChar' = ',', 'quoteChar' = '\"')\n"
            f"LOCATION 's3://{sql.account.bucket}/{name}/' TBLPROPERTIES ('skip.header.line.count'='1');"
        )
        == []
    )
    return name


def test_a_query_over_csv(sql: Sql, table: str) -> None:
    assert sql.rows(f"SELECT * FROM {table} ORDER BY id DESC") == [
        ["id", "name", "born"], ["3", "Cy", "1980-01-01"], ["2", "Bob, B", "1990-05-05"], ["1", "Ann", "2000-01-01"],
    ]  # fmt: skip
    assert sql.rows(f'SELECT count(*) AS n, NULL AS nothing, \'\' AS empty FROM "default"."{table}" WHERE id > 1') == [
        ["n", "nothing", "empty"], ["2", None, ""],
    ]  # fmt: skip


def test_the_result_is_a_csv_object(sql: Sql, table: str) -> None:
    execution = sql.ended(sql.start(f"SELECT name, id, NULL AS x FROM {table} WHERE id = 2"))
    place = execution["ResultConfiguration"]["OutputLocation"]
    assert place == f"{sql.output}/{execution['QueryExecutionId']}.csv"
    assert sql.account.get(place) == b'"name","id","x"\n"Bob, B","2",\n'
    columns = sql.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"][
        "ResultSetMetadata"
    ]["ColumnInfo"]
    assert [(column["Name"], column["Type"]) for column in columns[:2]] == [("name", "varchar"), ("id", "bigint")]
    assert execution["Statistics"]["DataScannedInBytes"] > 0 and execution["StatementType"] == "DML"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("5 / 2", "2"),
        ("from_unixtime(1700000000.5)", "2023-11-14 22:13:20.500 UTC"),
        ("from_iso8601_timestamp('2024-05-01T12:00:00Z')", "2024-05-01 12:00:00.000 UTC"),
        ("date_parse('2024-05-01 10:11', '%Y-%m-%d %H:%i')", "2024-05-01 10:11:00.000"),
        ("date_add('day', 2, date '2024-05-01')", "2024-05-03 00:00:00.000"),
        ("to_timestamp('2024-05-01 10:00:00', 'yyyy-mm-dd hh24:mi:ss')", "2024-05-01 10:00:00.000"),
        ("json_extract_scalar('{\"a\": \"b\"}', '$.a')", "b"),
        ("regexp_like('abc', 'b')", "true"),
        ("cardinality(ARRAY[1, 2])", "2"),
        ("element_at(ARRAY[1, 2], 2)", "2"),
        ("CAST(1.5 AS double)", "1.5"),
        ("regexp_replace('banana', 'a', 'o')", "bonono"),
        ("day_of_week(date '2024-05-05')", "7"),
        ("to_hex(md5(to_utf8('a')))", "0CC175B9C0F1B6A831C399E269772661"),
        ("CAST(json_parse('[1, 2]') AS ARRAY(BIGINT))", "[1, 2]"),
        ("reduce(sequence(1, 3), 0, (s, y) -> s + y, s -> s)", "6"),
        ("(SELECT count(*) FROM UNNEST(sequence(1, 5)) AS t(y) TABLESAMPLE BERNOULLI (100))", "5"),
        ("'line' || chr(10) || 'two \"q\"'", 'line\ntwo "q"'),
    ],
)
def test_athenas_functions(sql: Sql, expression: str, expected: str) -> None:
    assert sql.rows(f"SELECT {expression} AS x") == [["x"], [expected]]


def test_what_has_no_name_is_named_by_its_place(sql: Sql, table: str) -> None:
    assert sql.rows(f"SELECT count(*), max(id) AS top FROM {table}") == [["_col0", "top"], ["3", "3"]]
    assert sql.rows(f"SELECT 1, *, 2 FROM {table} WHERE id = 1")[0] == ["_col0", "id", "name", "born", "_col4"]
    assert sql.rows("SELECT 1 UNION ALL SELECT 1 AS x") == [["_col0"], ["1"], ["1"]]
    assert "MISSING_COLUMN_NAME" in sql.problem("CREATE TABLE unnamed AS SELECT 1")


def test_pages_parameters_and_tokens(sql: Sql) -> None:
    name = sql.start("SELECT x FROM UNNEST(sequence_of) AS t(x)".replace("sequence_of", "range(0, 2500)"))
    assert sql.ended(name)["Status"]["State"] == "SUCCEEDED"
    first = sql.athena.get_query_results(QueryExecutionId=name)
    assert len(first["ResultSet"]["Rows"]) == 1000
    pages = sql.athena.get_paginator("get_query_results").paginate(QueryExecutionId=name)
    assert sum(len(page["ResultSet"]["Rows"]) for page in pages) == 2501
    assert sql.rows("SELECT ? AS a, '?' AS b", ExecutionParameters=["'x'"]) == [["a", "b"], ["x", "?"]]
    token = "t" * 32 + name
    assert sql.start("SELECT 1", ClientRequestToken=token) == sql.start("SELECT 1", ClientRequestToken=token)
    assert name in sql.athena.list_query_executions()["QueryExecutionIds"]


def test_what_fails_says_why(sql: Sql, table: str) -> None:
    assert "TABLE_NOT_FOUND" in sql.problem("SELECT * FROM nowhere")
    assert "SYNTAX_ERROR" in sql.problem("SELEC 1")
    assert "COLUMN_NOT_FOUND" in sql.problem(f"SELECT nothing FROM {table}")
    assert "NOT_SUPPORTED" in sql.problem("CREATE VIEW v AS SELECT 1")
    assert "Only one sql statement" in sql.problem("SELECT 1; SELECT 2")
    assert "TABLE_NOT_FOUND" in sql.problem("DROP TABLE nowhere")
    with pytest.raises(ClientError, match="No output location"):
        sql.athena.start_query_execution(QueryString="SELECT 1")
    with pytest.raises(ClientError, match="was not found"):
        sql.athena.get_query_execution(QueryExecutionId="nobody")


def test_the_statement_that_makes_a_table_makes_it_again(sql: Sql, table: str) -> None:
    told = sql.rows(f"SHOW CREATE TABLE {table}")
    sql.rows(f"DROP TABLE {table}")
    sql.rows("\n".join(line for [line] in told))
    assert len(sql.rows(f"SELECT * FROM {table}", QueryExecutionContext={"Database": "`default`"})) == 4
    assert "NOT_SUPPORTED" in sql.problem(f"INSERT INTO {table} VALUES (4, 'Di', date '2001-01-01')")
    assert "is not a partitioned table" in sql.problem(f"SHOW PARTITIONS {table}")


def test_what_statements_show_has_columns(sql: Sql, table: str) -> None:
    start, end = table.split("_")
    for statement, names, first in (
        (f"SHOW TABLES '{start}*{end}|nothing'", ["tab_name"], table),
        (f"SHOW TABLES IN default LIKE '{table}'", ["tab_name"], table),
        ("SHOW DATABASES", ["database_name"], "default"),
        (f"DESCRIBE {table}", ["col_name", "data_type", "comment"], f"{'id':<20}\t{'bigint':<20}\t{'':<20}"),
    ):
        execution = sql.ended(sql.start(statement))
        result = sql.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]
        assert [column["Name"] for column in result["ResultSetMetadata"]["ColumnInfo"]] == names
        assert result["Rows"][0]["Data"][0]["VarCharValue"] == first


def test_a_query_reaches_nothing_but_its_tables(sql: Sql, server: Any) -> None:
    place = server.home / "run" / "credentials.json"
    assert place.exists() and sql.rows(f"SELECT count(*) FROM glob('{place}')") == [["_col0"], ["0"]]
    sql.problem(f"SELECT * FROM read_csv('{server.endpoint}/x.csv')")


def test_a_query_is_stopped(sql: Sql) -> None:
    name = sql.start("SELECT count(*) FROM range(100000000000) a")
    sql.athena.stop_query_execution(QueryExecutionId=name)
    assert sql.ended(name)["Status"]["State"] == "CANCELLED"


def test_the_catalog(sql: Sql, table: str) -> None:
    shown = sql.glue.get_table(DatabaseName="default", Name=table.upper())["Table"]
    assert [column["Name"] for column in shown["StorageDescriptor"]["Columns"]] == ["id", "name", "born"]
    assert [table] in sql.rows("SHOW TABLES") and sql.rows(f"DESCRIBE {table}")[0][0].split() == ["id", "bigint"]
    database = sql.account.unique("db").replace("-", "_")
    sql.glue.create_database(DatabaseInput={"Name": database})
    assert [database] in sql.rows("SHOW DATABASES")
    sql.glue.create_table(DatabaseName=database, TableInput={"Name": "J", "StorageDescriptor": {
        "Columns": [{"Name": "a", "Type": "int"}, {"Name": "tags", "Type": "array<string>"}],
        "Location": sql.account.put(f"{database}/x/1.json", '{"a": 5, "tags": ["p", "q"]}\n').rpartition("/")[0],
        "SerdeInfo": {"SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe"},
    }})  # fmt: skip
    assert sql.rows(f"SELECT a, tags FROM {database}.j") == [["a", "tags"], ["5", "[p, q]"]]
    tables = sql.athena.list_table_metadata(CatalogName="AwsDataCatalog", DatabaseName=database)["TableMetadataList"]
    assert [found["Name"] for found in tables] == ["j"]
    sql.glue.delete_table(DatabaseName=database, Name="j")
    sql.glue.delete_database(Name=database)
    with pytest.raises(sql.glue.exceptions.EntityNotFoundException):
        sql.glue.get_database(Name=database)


def test_a_result_becomes_a_table(sql: Sql, table: str) -> None:
    name, place = f"{table}_as", f"s3://{sql.account.bucket}/{table}_as/"
    statement = (
        f'CREATE TABLE "default"."{name}" WITH( external_location = \'{place}\', '
        f"write_compression = 'SNAPPY', format = 'PARQUET') AS SELECT id, name AS Who, ARRAY[1] AS l FROM {table}"
    )
    execution = sql.ended(sql.start(statement))
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    manifest = sql.account.get(execution["Statistics"]["DataManifestLocation"]).decode().split()
    assert len(manifest) == 1 and sql.account.get(manifest[0])[:4] == b"PAR1" and manifest[0].startswith(place)
    assert sql.rows(f"SELECT who FROM {name} ORDER BY id") == [["who"], ["Ann"], ["Bob, B"], ["Cy"]]
    columns = sql.glue.get_table(DatabaseName="default", Name=name)["Table"]["StorageDescriptor"]["Columns"]
    assert [column["Type"] for column in columns] == ["bigint", "string", "array<int>"]
    assert "TABLE_ALREADY_EXISTS" in sql.problem(statement)
    assert sql.rows(f"DROP TABLE {name}") == []
    sql.rows(f"UNLOAD (SELECT id FROM {table}) TO '{place}unloaded/' WITH (format = 'PARQUET')")
    assert len(sql.account.keys(f"{table}_as/unloaded/")) == 1
    assert "NOT_SUPPORTED" in sql.problem(f"CREATE TABLE x WITH (format = 'ORC') AS SELECT id FROM {table}")


def test_rows_are_inserted_into_tables_and_their_partitions(sql: Sql) -> None:
    name = sql.account.unique("parts").replace("-", "_")
    place = f"{sql.output}/{name}/"
    sql.rows(
        f"CREATE TABLE {name} WITH (external_location = '{place}', partitioned_by = ARRAY['year']) AS "
        "SELECT * FROM (VALUES (1, 'a', 2023), (2, 'b', 2024)) AS t(id, word, year)"
    )
    assert sql.rows(f"SHOW PARTITIONS {name}") == [["year=2023"], ["year=2024"]]
    assert sql.rows(f"SELECT id, year FROM {name} WHERE year > 2023") == [["id", "year"], ["2", "2024"]]
    execution = sql.ended(sql.start(f"INSERT INTO {name} (id, year) SELECT 3, 2024"))
    assert (execution["Status"]["State"], execution["StatementType"]) == ("SUCCEEDED", "DML")
    sql.rows(f"INSERT INTO {name} VALUES (4, 'd', 2025)")
    assert sql.rows(f"SELECT * FROM {name} ORDER BY id")[1:] == [
        ["1", "a", "2023"], ["2", "b", "2024"], ["3", None, "2024"], ["4", "d", "2025"],
    ]  # fmt: skip
    assert sql.rows(f"SHOW PARTITIONS {name}")[-1] == ["year=2025"]
    sql.rows(f"ALTER TABLE {name} ADD IF NOT EXISTS PARTITION (year = 2026) LOCATION '{place}year=2026/'")
    assert "NOT_SUPPORTED" in sql.problem(f"ALTER TABLE {name} ADD PARTITION (year = 1) LOCATION 's3://elsewhere/1'")
    assert "TYPE_MISMATCH" in sql.problem(f"INSERT INTO {name} SELECT 1")
    assert "COLUMN_NOT_FOUND" in sql.problem(f"INSERT INTO {name} (nothing) SELECT 1")
    assert "TABLE_NOT_FOUND" in sql.problem("INSERT INTO nowhere SELECT 1")


def test_a_query_that_the_end_of_a_server_cut_off_is_run_again(new_server: Any, account_on: Any) -> None:
    server = new_server()
    sql = Sql(server, account_on(server))
    assert sql.rows("SELECT 1 AS x") == [["x"], ["1"]]  # the environment is there
    slow = "SELECT count(*) AS n FROM range(1500000) a, range(50) b WHERE (a.range * 7 + b.range) % 11 = 3"
    for end in (server.stop, server.kill):
        name = sql.start(slow)
        while sql.athena.get_query_execution(QueryExecutionId=name)["QueryExecution"]["Status"]["State"] == "QUEUED":
            pass
        end()
        server.start()
        sql = Sql(server, account_on(server))
        assert sql.ended(name)["Status"]["State"] == "SUCCEEDED"
