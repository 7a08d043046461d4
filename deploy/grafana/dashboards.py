#!/usr/bin/env python3
"""The dashboards as tables; `dashboards.py` writes them to dashboards/*.json, `dashboards.py --check` says whether they are as written."""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "dashboards"
AT = 'job=~"$job", instance=~"$instance"'
# Grafana asks for what fits its window; a rate needs at least four scrapes.
RATE = "[$__rate_interval]"

# A row: title, then panels of (title, unit, kind, {legend: query}). Widths are shared out evenly.
SENSOR = [
    ("Now", [
        ("Health (0 ok, 1 degraded, 2 critical)", "none", "stat", {"{{instance}}": f"taphound_health{{{AT}}}"}),
        ("Packets/s", "pps", "stat", {"{{instance}}": f'sum by (instance) (rate(taphound_packets_total{{{AT}, term="received"}}{RATE}))'}),
        ("Flows/s", "short", "stat", {"{{instance}}": f'sum by (instance) (rate(taphound_flows_total{{{AT}, term="started"}}{RATE}))'}),
        ("Lost on the way", "percentunit", "stat", {"{{instance}}": f"instance:taphound_packets_lost:ratio_rate5m{{{AT}}}"}),
        ("Not accounted for (must be 0)", "short", "stat", {
            "packets {{instance}}": f"instance:taphound_packets_unaccounted:sum{{{AT}}}",
            "flows {{instance}}": f"instance:taphound_flows_unaccounted:sum{{{AT}}}",
            "detections {{instance}}": f"instance:taphound_detections_unaccounted:sum{{{AT}}}",
        }),
    ]),
    ("Rates", [
        ("Packets by what became of them", "pps", "lines", {"{{instance}} {{term}}": f"rate(taphound_packets_total{{{AT}}}{RATE})"}),
        ("Flows by what became of them", "short", "lines", {"{{instance}} {{term}}": f"rate(taphound_flows_total{{{AT}}}{RATE})"}),
        ("Packets by source", "pps", "lines", {"{{instance}} {{source}}": f"rate(taphound_source_packets_total{{{AT}}}{RATE})"}),
    ]),
    ("Drops", [
        ("Dropped before us", "pps", "lines", {
            "{{source}} kernel": f"rate(taphound_source_kernel_dropped_total{{{AT}}}{RATE})",
            "{{source}} interface": f"rate(taphound_source_interface_dropped_total{{{AT}}}{RATE})",
        }),
        ("Dropped by us", "short", "lines", {
            "packets shed": f'rate(taphound_packets_total{{{AT}, term="shed"}}{RATE})',
            "flows unscored": f'rate(taphound_flows_total{{{AT}, term="shed_unscored"}}{RATE})',
            "rows lost": f'sum by (instance) (rate(taphound_detections_total{{{AT}, term=~"dropped_at_queue|store_failed"}}{RATE}))',
            "notices": f"rate(taphound_feed_dropped_total{{{AT}}}{RATE})",
        }),
        ("Sources up", "none", "lines", {"{{instance}} {{source}}": f"taphound_source_up{{{AT}}}"}),
    ]),
    ("Latencies", [
        ("Stages, p50 and p99", "s", "lines", {"{{stage}} p{{quantile}}": f"taphound_stage_seconds{{{AT}}}"}),
        ("POST /predict, p99", "ms", "lines", {"{{instance}}": f"histogram_quantile(0.99, sum by (instance, le) (rate(prediction_latency_ms_bucket{{{AT}}}{RATE})))"}),
        ("API answers/s", "reqps", "lines", {
            "{{status}}": f"sum by (status) (rate(taphound_api_answers_total{{{AT}}}{RATE}))",
            "refused": f"sum(rate(taphound_api_refusals_total{{{AT}}}{RATE}))",
        }),
    ]),
    ("Table, database, process", [
        ("Flow table", "percentunit", "lines", {"{{instance}}": f"instance:taphound_flow_table:ratio{{{AT}}}"}),
        ("Flows held", "short", "lines", {"{{instance}}": f'taphound_flows{{{AT}, term="active"}}'}),
        ("Database", "bytes", "lines", {"database": f"taphound_store_bytes{{{AT}}}", "log": f"taphound_store_wal_bytes{{{AT}}}"}),
        ("Rows by class", "short", "lines", {"{{class}}": f"taphound_store_rows{{{AT}}}", "waiting": f"taphound_store_queue_rows{{{AT}}}"}),
        ("Memory", "bytes", "lines", {"{{instance}}": f"process_resident_memory_bytes{{{AT}}}"}),
        ("CPU", "percentunit", "lines", {"{{instance}}": f"rate(process_cpu_seconds_total{{{AT}}}{RATE})"}),
    ]),
]

DETECTION = [
    ("Alerts", [
        ("Alerts/s", "short", "lines", {"{{instance}}": f"rate(taphound_alerts_total{{{AT}}}{RATE})"}),
        ("Alerts by category, an hour", "short", "lines", {"{{category}}": f"sum by (category) (increase(taphound_alerts_by_category_total{{{AT}}}[1h]))"}),
        ("Incidents, alerts and what was suppressed, an hour", "short", "lines", {
            "incidents": f"sum(increase(taphound_incidents_total{{{AT}}}[1h]))",
            "alerts": f"sum(increase(taphound_alerts_total{{{AT}}}[1h]))",
            "suppressed": f"sum(increase(taphound_alerts_suppressed_total{{{AT}}}[1h]))",
        }),
    ]),
    ("Does the model still fit?", [
        ("Drift (0 calm, 1 traffic moved, 2 labels show errors)", "none", "stat", {"{{instance}}": f"taphound_drift_state{{{AT}}}"}),
        ("Mean score", "none", "lines", {"{{instance}} {{role}} {{version}}": f"taphound_model_score_mean{{{AT}}}"}),
        ("PSI of the score (0.1 small, 0.25 large)", "none", "lines", {"{{instance}} {{role}} {{version}}": f"taphound_drift_score_psi{{{AT}}}"}),
        ("PSI by feature, ten largest", "none", "lines", {"{{feature}}": f'topk(10, max by (feature) (taphound_drift_psi{{{AT}, role="active"}}))'}),
        ("Share called attack", "percentunit", "lines", {"{{instance}} {{role}} {{version}}": f"rate(taphound_model_alerts_total{{{AT}}}{RATE}) / (rate(taphound_model_flows_total{{{AT}}}{RATE}) > 0)"}),
        ("Active and shadow agree", "percentunit", "lines", {"{{instance}}": f"taphound_shadow_agreement_ratio{{{AT}}}"}),
    ]),
    ("What analysts say", [
        ("Labels given, an hour", "short", "lines", {"{{instance}}": f'clamp_min(delta(taphound_store_rows{{{AT}, class="labels"}}[1h]), 0)'}),
        ("Labels so far", "short", "lines", {"{{instance}}": f'taphound_store_rows{{{AT}, class="labels"}}'}),
        ("Recent labels: alerted flows", "percentunit", "lines", {"{{figure}}": f'avg by (figure) (taphound_label_merit_ratio{{{AT}, role="active", group="alerted"}})'}),
        ("Recent labels: the random 1 %", "percentunit", "lines", {"{{figure}}": f'avg by (figure) (taphound_label_merit_ratio{{{AT}, role="active", group="random"}})'}),
        ("Recent labels that contradict the verdict", "percentunit", "lines", {"{{instance}} {{version}}": f"taphound_label_error_ratio{{{AT}}}"}),
    ]),
]

FLEET = [
    ("Who runs what", [
        ("Sensors by program version", "short", "table", {"": "count by (version) (taphound_build_info)"}),
        ("Sensors by model", "short", "lines", {"model {{version}}": 'count_values("version", taphound_model_version)'}),
        ("Sensors by health", "short", "lines", {"health {{health}}": 'count_values("health", taphound_health)'}),
        ("Models changed, a day", "short", "lines", {"{{instance}}": "increase(taphound_model_changes_total[1d])"}),
    ]),
    ("Canary", [
        ("Sensors by channel", "short", "lines", {"{{channel}}": "count by (channel) (taphound_sync_model_version)"}),
        ("Newest model by channel", "none", "lines", {"{{channel}}": "max by (channel) (taphound_sync_model_version)"}),
        ("Models taken back, a day", "short", "lines", {"{{instance}}": "increase(taphound_sync_models_rolled_back_total[1d])"}),
        ("Installed, a day", "short", "lines", {"{{instance}}": "increase(taphound_sync_models_installed_total[1d])"}),
    ]),
    ("Sync", [
        ("Rows that wait", "short", "lines", {"{{instance}}": "taphound_sync_lag_rows"}),
        ("Age of the oldest", "s", "lines", {"{{instance}}": "taphound_sync_lag_seconds"}),
        ("Rows confirmed/s", "short", "lines", {"{{kind}}": f"sum by (kind) (rate(taphound_sync_rows_acknowledged_total{RATE}))"}),
        ("Retries/s, rows set aside", "short", "lines", {"retries": f"sum(rate(taphound_sync_retries_total{RATE}))", "set aside": "sum(taphound_sync_set_aside_rows)"}),
        ("Agents by health", "short", "lines", {"health {{health}}": 'count_values("health", taphound_sync_health)'}),
    ]),
    ("Log table (CloudWatch)", [
        ("Writes throttled", "short", "lines", {"{{dimension_TableName}}": "aws_dynamodb_write_throttle_events_sum"}),
        ("Write capacity used", "short", "lines", {"{{dimension_TableName}}": "aws_dynamodb_consumed_write_capacity_units_sum / 300"}),
    ]),
]

CENTRE = [
    ("Retraining", [
        ("Since the last run", "s", "stat", {"": "time() - max(taphound_retrain_last_run_time_seconds)"}),
        ("How it ended", "none", "table", {"": "taphound_retrain_last_outcome == 1"}),
        ("Last run failed", "none", "stat", {"": "max(taphound_retrain_last_run_failed)"}),
        ("How long it took", "s", "lines", {"": "max(taphound_retrain_last_run_seconds)"}),
    ]),
    ("Outcomes", [
        ("Outcome over time", "short", "lines", {"{{outcome}}": "taphound_retrain_last_outcome"}),
        ("Model the fleet follows", "none", "lines", {"newest": "max(taphound_model_version)", "oldest": "min(taphound_model_version)"}),
    ]),
]

BOARDS = {
    "sensor": ("Taphound: sensor", SENSOR, True),
    "detection": ("Taphound: detection", DETECTION, True),
    "fleet": ("Taphound: fleet", FLEET, False),
    "centre": ("Taphound: centre", CENTRE, False),
}

KINDS = {"lines": "timeseries", "bars": "barchart", "stat": "stat", "table": "table"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def panel(number, title, unit, kind, queries, place):
    targets = [
        {
            "refId": chr(ord("A") + n),
            "datasource": SOURCE,
            "expr": query,
            "legendFormat": legend or "__auto",
            "instant": kind in ("stat", "table", "bars"),
            "range": kind == "lines",
            "format": "table" if kind in ("table", "bars") else "time_series",
        }
        for n, (legend, query) in enumerate(queries.items())
    ]
    return {
        "id": number,
        "type": KINDS[kind],
        "title": title,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0 if unit not in ("none", "short") else None}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}} if kind == "lines" else {},
        "targets": targets,
    }


def variables(of_sensors):
    made = [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}]
    if of_sensors:
        for name, query in [("job", "label_values(taphound_build_info, job)"), ("instance", 'label_values(taphound_build_info{job=~"$job"}, instance)')]:
            made.append({"name": name, "type": "query", "datasource": SOURCE, "query": query, "refresh": 2, "multi": True, "includeAll": True, "current": {"text": "All", "value": "$__all"}})
    return made


def board(name):
    title, rows, of_sensors = BOARDS[name]
    panels, number, y = [], 0, 0
    for row, members in rows:
        number += 1
        panels.append({"id": number, "type": "row", "title": row, "collapsed": False, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}, "panels": []})
        y += 1
        columns = len(members) if len(members) <= 5 else 3
        width = 24 // columns
        height = 5 if all(kind == "stat" for _, _, kind, _ in members) else 8
        for n, (heading, unit, kind, queries) in enumerate(members):
            number += 1
            place = {"x": n % columns * width, "y": y + n // columns * height, "w": width, "h": height}
            panels.append(panel(number, heading, unit, kind, queries, place))
        y += (len(members) + columns - 1) // columns * height
    return {
        "uid": f"taphound-{name}",
        "title": title,
        "tags": ["taphound"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": variables(of_sensors)},
        "links": [{"type": "dashboards", "tags": ["taphound"], "title": "Taphound", "asDropdown": True, "keepTime": True}],
        "panels": panels,
    }


def main():
    stale = []
    for name in BOARDS:
        path, text = FOLDER / f"{name}.json", json.dumps(board(name), indent=1) + "\n"
        if "--check" in sys.argv:
            if not path.exists() or path.read_text() != text:
                stale.append(path.name)
        else:
            path.write_text(text)
    if stale:
        sys.exit(f"{', '.join(stale)} is not what deploy/grafana/dashboards.py makes: run it")


if __name__ == "__main__":
    main()
