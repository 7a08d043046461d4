#!/usr/bin/env python3
"""The log table and the bucket, as deploy/terraform makes them, in the stand-ins: `prepare.py http://standins:5000 TABLE BUCKET`.
A fourth argument names another address for the table."""

import sys

import boto3


def make_table(dynamodb, table):
    """Makes the log table as fleet/ expects it and waits until it is there."""

    def index(name, partition, sort):
        keys = [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
        return {"IndexName": name, "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}

    types = {"flow_id": "S", "timestamp": "N", "day_shard": "S", "labeled_sensor": "S", "labeled_at": "N"}
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "flow_id", "KeyType": "HASH"}, {"AttributeName": "timestamp", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()],
        GlobalSecondaryIndexes=[index("by_day", "day_shard", "timestamp"), index("by_label", "labeled_sensor", "labeled_at")],
    )
    dynamodb.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    try:
        dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"})
    except dynamodb.exceptions.ClientError as fault:
        if fault.response["Error"]["Code"] != "UnknownOperationException":  # not every stand-in forgets
            raise


def main(endpoint, table, bucket, tables=None):
    region = "us-east-1"
    boto3.client("s3", endpoint_url=endpoint, region_name=region).create_bucket(Bucket=bucket)
    dynamodb = boto3.client("dynamodb", endpoint_url=tables or endpoint, region_name=region)
    if table not in dynamodb.list_tables()["TableNames"]:
        make_table(dynamodb, table)


if __name__ == "__main__":
    main(*sys.argv[1:])
