import pytest

from selfmaker.analytics.catalog import PARQUET
from selfmaker.analytics.ddl import parse, sql_type
from selfmaker.errors import Invalid


def test_a_table_is_read_whole() -> None:
    statement = parse(
        """-- a remark
        CREATE EXTERNAL TABLE IF NOT EXISTS Db.`My Table` (
          a bigint COMMENT 'one, two', `b c` array<struct<x:int,y:string>>, d decimal(10, 2)
        ) PARTITIONED BY (year string, month string)
        STORED AS PARQUET LOCATION 's3://b/k/' TBLPROPERTIES ('x'='1', "y" = 'two words')""",
        "default",
    )
    assert statement is not None and (statement.act, statement.soft) == ("create", True)
    table = statement.table
    assert table is not None and (table.database, table.name) == ("db", "my table")
    assert table.columns == (("a", "bigint"), ("b c", "array<struct<x:int,y:string>>"), ("d", "decimal(10, 2)"))
    assert table.partitions == (("year", "string"), ("month", "string")) and table.serde == PARQUET
    assert table.location == "s3://b/k/" and table.parameters == {"x": "1", "y": "two words"}


@pytest.mark.parametrize(
    ("sql", "act", "name"),
    [
        ("DROP TABLE IF EXISTS x;", "drop", "x"),
        ('drop table "a"."b"', "drop", "b"),
        ("MSCK REPAIR TABLE t", "repair", "t"),
        ("DESCRIBE d.t", "describe", "t"),
        ("SHOW TABLES IN d", "show_tables", "*"),
        ("show tables from d like 'a*'", "show_tables", "a*"),
        ("ALTER TABLE d.t ADD PARTITION (a='1') LOCATION 's3://b/a=1' PARTITION (a='2')", "add_partition", "t"),
        ("show partitions `d`.t;", "show_partitions", "t"),
        ("SHOW CREATE TABLE d.t", "show_create", "t"),
        ("CREATE DATABASE IF NOT EXISTS d LOCATION 's3://x/'", "create_database", ""),
        ("CREATE TABLE t AS SELECT 1", "create_as", "t"),
        ("CREATE TABLE t WITH (format='PARQUET', external_location='s3://b/x') AS SELECT ')' AS a", "create_as", "t"),
        ("INSERT INTO d.t SELECT 1", "insert", "t"),
        ('insert into t (a, "b c") (SELECT 1, 2)', "insert", "t"),
        ("UNLOAD (SELECT (1)) TO 's3://b/x' WITH (format='parquet')", "unload", ""),
    ],
)
def test_statements(sql: str, act: str, name: str) -> None:
    statement = parse(sql, "default")
    assert statement is not None and (statement.act, statement.name) == (act, name)


@pytest.mark.parametrize(
    "sql", ["SELECT 1", "WITH a AS (SELECT 1) SELECT * FROM a", "EXPLAIN SELECT 1", "\n" * 200_000]
)
def test_a_query_is_none_of_them(sql: str) -> None:
    assert parse(sql, "default") is None


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE EXTERNAL TABLE t (a int)",
        "CREATE EXTERNAL TABLE t (a) LOCATION 's3://b/k'",
        "CREATE EXTERNAL TABLE t (a int LOCATION 's3://b/k'",
        "CREATE EXTERNAL TABLE t (a " + " " * 100_000 + ") LOCATION 's3://b/k'",
        "CREATE TABLE t WITH (format='ORC') AS SELECT 1",
        "CREATE TABLE t WITH (bucketed_by=ARRAY['a'], bucket_count=3) AS SELECT 1 AS a",
    ],
)
def test_what_cannot_be_done_is_said(sql: str) -> None:
    with pytest.raises(Invalid):
        parse(sql, "default")


def test_what_is_inserted_where() -> None:
    into = parse('INSERT INTO t ( A , "b c" ) VALUES (1, 2)', "default")
    assert into is not None and (into.columns, into.query) == (("a", "b c"), "VALUES (1, 2)")
    whole = parse("INSERT INTO t (SELECT a FROM b)", "default")
    assert whole is not None and (whole.columns, whole.query) == ((), "(SELECT a FROM b)")
    by = parse("CREATE TABLE t WITH (format='PARQUET', partitioned_by = ARRAY['A', 'b']) AS SELECT 1", "default")
    assert by is not None and by.partitions == ("a", "b")


def test_types() -> None:
    assert [sql_type(kind) for kind in ("string", "array<int>", "map<string,int>", "decimal(3,1)", "timestamp")] == [
        "VARCHAR", "INTEGER[]", "JSON", "DECIMAL(3,1)", "TIMESTAMP",
    ]  # fmt: skip
    with pytest.raises(Invalid):
        sql_type("int); DROP")
