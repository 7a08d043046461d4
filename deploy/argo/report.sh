#!/bin/sh
# Tells how a retraining run ended: metrics to a Pushgateway, a line to a webhook (Slack's form). The exit handler of the
# workflow and the CronJob run it; it needs sh, date and curl.
#
#   OUTCOME_FILE      what `taphound-retrain --outcome-file` wrote; missing: the run did not get that far
#   STATUS            Succeeded, Failed or Error
#   SECONDS_TAKEN     how long it took
#   PUSHGATEWAY_URL   http://...:9091; empty: no metrics
#   NOTIFY_URL        a webhook; empty: nobody is told
set -eu

outcome=none
if [ -s "${OUTCOME_FILE:-/nowhere}" ]; then
    outcome=$(head -n 1 "$OUTCOME_FILE" | tr -cd 'a-z0-9-')
fi
failed=1
if [ "${STATUS:-}" = Succeeded ]; then failed=0; fi

if [ -n "${PUSHGATEWAY_URL:-}" ]; then
    {
        echo "# TYPE taphound_retrain_last_run_time_seconds gauge"
        echo "taphound_retrain_last_run_time_seconds $(date +%s)"
        echo "# TYPE taphound_retrain_last_run_seconds gauge"
        echo "taphound_retrain_last_run_seconds ${SECONDS_TAKEN:-0}"
        echo "# TYPE taphound_retrain_last_run_failed gauge"
        echo "taphound_retrain_last_run_failed $failed"
        echo "# TYPE taphound_retrain_last_outcome gauge"
        for known in done no-drift too-few-labels cooling-down refused none; do
            value=0
            if [ "$known" = "$outcome" ]; then value=1; fi
            echo "taphound_retrain_last_outcome{outcome=\"$known\"} $value"
        done
    } | curl --silent --show-error --fail --max-time 20 --retry 3 --data-binary @- \
        --request PUT "$PUSHGATEWAY_URL/metrics/job/taphound-centre"
fi

if [ -n "${NOTIFY_URL:-}" ]; then
    text="Taphound retrain: ${STATUS:-unknown}, outcome $outcome, ${SECONDS_TAKEN:-0} s"
    curl --silent --show-error --fail --max-time 20 --retry 3 --header 'Content-Type: application/json' \
        --data "{\"text\": \"$text\"}" "$NOTIFY_URL"
fi
