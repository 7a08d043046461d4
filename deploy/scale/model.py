#!/usr/bin/env python3
"""What a fleet costs a month: measured.json times assumptions that stand here. Prints the table of docs/scale.md; `--check` holds it to it.

Prices are those of the public list for ap-southeast-1 as written below; they change, and nothing here can look them up.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
MEASURED = json.loads((HERE / "measured.json").read_text())
PAGE = HERE.parent.parent / "docs/scale.md"

# US dollars.
WRITE_UNITS_1M, READ_UNITS_1M, TABLE_GB = 0.7125, 0.1425, 0.285
PUTS_1K, GETS_1K, OBJECTS_GB = 0.005, 0.0004, 0.025
MONTH_S = 30 * 86400

# A sensor of a site with some hundred people: assumptions, to be replaced by one's own figures (`taphound top`).
FLOWS_PER_S, ALERT_SHARE, PEAK = 50, 0.001, 3
# Days that the table keeps a plain flow (up.flows_days), and the bucket a Parquet file.
TABLE_DAYS, OBJECT_DAYS = 90, 400
# Requests of an agent to the object store that do not depend on traffic, a look (down.poll_s) and a report (report.interval_s).
GETS_A_LOOK, PUTS_A_REPORT = 2, 1

# outbox.flows_share, up.table_flows_share, up.archive.age_s, down.poll_s, report.interval_s
POLICIES = {
    "everything": (1.0, 1.0, 300, 300, 300),
    "as shipped": (0.01, 1.0, 300, 300, 300),
    "alerts in the table": (0.01, 0.0, 3600, 900, 3600),
    "alerts alone": (0.0, 0.0, 3600, 900, 3600),
}
# What DynamoDB gives: a partition key's most write units a second, by_day's partition keys (16 shards a day), and a new account's table.
KEY_UNITS, DAY_SHARDS, TABLE_UNITS = 1000, 16, 40_000


def row(policy, sensors):
    share, table_share, age_s, poll_s, report_s = POLICIES[policy]
    alerts = FLOWS_PER_S * ALERT_SHARE
    plain = FLOWS_PER_S * share
    items = alerts + plain * table_share
    archived = alerts + plain
    units = items * MEASURED["write_units_per_item"]
    # The index by_day takes half of them: table and index hold the same item.
    day_units = units / 2
    stored_gb = items * TABLE_DAYS * 86400 * MEASURED["item_bytes"] * 2 / 1e9
    objects_gb = archived * MEASURED["parquet_bytes_per_row"] * OBJECT_DAYS * 86400 / 1e9
    files = min(archived, 1 / age_s) * MONTH_S
    puts = files * 2 + MONTH_S / report_s * PUTS_A_REPORT
    gets = MONTH_S / poll_s * GETS_A_LOOK
    cost = {
        "writes": units * MONTH_S / 1e6 * WRITE_UNITS_1M,
        "table": stored_gb * TABLE_GB,
        "objects": objects_gb * OBJECTS_GB,
        "requests": puts / 1000 * PUTS_1K + gets / 1000 * GETS_1K,
    }
    peak = units * PEAK * sensors
    limits = []
    if day_units * PEAK * sensors > KEY_UNITS * DAY_SHARDS:
        limits.append("by_day")
    if peak > TABLE_UNITS:
        limits.append("table")
    return {
        "policy": policy, "sensors": sensors, "items": items * sensors, "peak": peak,
        **{name: dollars * sensors for name, dollars in cost.items()}, "all": sum(cost.values()) * sensors,
        "each": sum(cost.values()), "limits": ", ".join(limits) or "-",
    }


def table():
    lines = [
        "| policy | sensors | rows/s | write units/s at peak | writes $ | table $ | objects $ | requests $ | a month $ | a sensor $ | saturates |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for policy in POLICIES:
        for sensors in (10, 1_000, 100_000):
            r = row(policy, sensors)
            money = " | ".join(f"{r[name]:,.0f}" for name in ("writes", "table", "objects", "requests", "all"))
            lines.append(f"| {policy} | {sensors:,} | {r['items']:,.1f} | {r['peak']:,.0f} | {money} | {r['each']:,.2f} | {r['limits']} |")
    return "\n".join(lines)


def main():
    made = table()
    if "--check" not in sys.argv:
        print(made)
        return 0
    if made not in PAGE.read_text():
        print(f"{PAGE}: its table is not what model.py makes of measured.json")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
