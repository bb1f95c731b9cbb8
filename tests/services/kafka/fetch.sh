#!/bin/sh
# fetch.sh - brings the jars of the Kafka broker that tests/services/kafka.py starts into build/broker: what
# pom.xml names, by Maven. Does nothing, quickly, when they are there. contrib/test-tools.sh calls it.
set -eu
cd "$(dirname "$0")/../../.."

pom=tests/services/kafka/pom.xml
if cmp -s "$pom" build/broker/pom.xml; then
	exit 0
fi
echo "Fetching with mvn from Maven Central, into build/broker: what $pom lists"
rm -rf build/broker
mvn -B -q -f "$pom" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$PWD/build/broker"
cp "$pom" build/broker/
