"""What OpenTelemetry's own packages make of ours.

    check.py export   each line of the input is a request as it was sent to a receiver: it is read as
                      `ExportTraceServiceRequest`, strictly, and its spans are printed, one a line
    check.py context  each line is a JSON list of `traceparent` and `tracestate`: prints what the propagator of the
                      specification reads, as JSON
    check.py sample   each line is a share and the identifier of a trace in hexadecimal: prints whether it is taken
    check.py metrics  the whole input is a page in OpenMetrics: prints its exemplars, one a line
"""
import base64
import json
import sys


def with_bytes(value):
    """Identifiers in hexadecimal, as OTLP has them, become base64, as JSON of Protocol Buffers has bytes."""
    if isinstance(value, list):
        return [with_bytes(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for key, item in value.items():
        if key in ("traceId", "spanId", "parentSpanId"):
            raw = bytes.fromhex(item)
            assert len(raw) == (16 if key == "traceId" else 8) and item == item.lower(), f"{key}: {item}"
            found[key] = base64.b64encode(raw).decode()
        else:
            found[key] = with_bytes(item)
    return found


def export():
    from google.protobuf import json_format
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    for line in sys.stdin:
        # Members that nobody knows are an error here.
        request = json_format.ParseDict(with_bytes(json.loads(line)), ExportTraceServiceRequest())
        for resource in request.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            assert names["service.name"] and names["service.version"], names
            for scope in resource.scope_spans:
                for span in scope.spans:
                    assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano, span
                    kind = Span.SpanKind.Name(span.kind)
                    print(span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex() or "-", kind, span.name)


def context():
    from opentelemetry import trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    for line in sys.stdin:
        parent, state = json.loads(line)
        carrier = {"traceparent": [parent], **({"tracestate": [state]} if state is not None else {})}
        found = trace.get_current_span(TraceContextTextMapPropagator().extract(carrier)).get_span_context()
        if not found.is_valid:
            print("null")
            continue
        print(json.dumps([f"{found.trace_id:032x}", f"{found.span_id:016x}", found.trace_flags.sampled]))


def sample():
    from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

    for line in sys.stdin:
        share, trace = line.split()
        taken = TraceIdRatioBased(float(share)).should_sample(None, int(trace, 16), "x").decision.is_sampled()
        print("true" if taken else "false")


def metrics():
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    for family in text_string_to_metric_families(sys.stdin.read()):
        for sample in family.samples:
            if sample.exemplar:
                print(sample.name, sample.labels["le"], json.dumps(sample.exemplar.labels), sample.exemplar.value)


{"export": export, "context": context, "sample": sample, "metrics": metrics}[sys.argv[1]]()
