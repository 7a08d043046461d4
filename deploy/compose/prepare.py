#!/usr/bin/env python3
"""The log table and the bucket, as deploy/terraform makes them, in the stand-ins: `prepare.py http://standins:5000 TABLE BUCKET`."""

import sys

import boto3


def main(endpoint, table, bucket):
    region = "us-east-1"
    boto3.client("s3", endpoint_url=endpoint, region_name=region).create_bucket(Bucket=bucket)
    dynamodb = boto3.client("dynamodb", endpoint_url=endpoint, region_name=region)
    if table in dynamodb.list_tables()["TableNames"]:
        return

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
    dynamodb.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires_at"})


if __name__ == "__main__":
    main(*sys.argv[1:])
