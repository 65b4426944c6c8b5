"""Puts messages into a topic: BROKER TOPIC CODEC SETTINGS, where settings are a JSON object of the client, and on standard input a JSON object a line with partition, value (hexadecimal, or null) and headers."""

import json
import sys

from kafka import KafkaProducer

broker, topic, codec = sys.argv[1:4]
settings = json.loads(sys.argv[4])
if "api_version" in settings:
    settings["api_version"] = tuple(settings["api_version"])
producer = KafkaProducer(
    bootstrap_servers=broker,
    compression_type=None if codec == "none" else codec,
    max_request_size=64 << 20,
    linger_ms=50,
    acks="all",
    **settings,
)
told = []
for line in sys.stdin:
    one = json.loads(line)
    value = one.get("value")
    told.append(
        producer.send(
            topic,
            key=b"k",
            value=None if value is None else bytes.fromhex(value),
            partition=one.get("partition", 0),
            headers=[(name, text.encode()) for name, text in one.get("headers", {}).items()],
        )
    )
producer.flush(timeout=60)
for one in told:
    one.get(timeout=60)
producer.close()
