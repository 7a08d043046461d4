"""What schemathesis has to be told about our API: EVE lines travel as they are."""

import schemathesis

schemathesis.serializer.alias("application/x-ndjson", "text/plain")
