// Sends a trace of two spans as OTLP/JSON: `export.mjs URL none|gzip`. Prints its trace id once the exporter is done.
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

const [url, compression] = process.argv.slice(2);
const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({ "service.name": `javascript-${compression}` }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url, compression }))],
});
provider.register();
const tracer = provider.getTracer("tests", "0.1");
tracer.startActiveSpan("answer", (answer) => {
  tracer.startActiveSpan("chat", (chat) => {
    chat.setAttributes({
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": "gpt-x",
      "gen_ai.usage.input_tokens": 120,
      share: 0.5,
      cached: true,
      tags: ["a", "ü"],
      large: Number.MAX_SAFE_INTEGER,
    });
    chat.addEvent("first token", { index: 1 });
    chat.end();
  });
  answer.end();
  console.log(answer.spanContext().traceId);
});
await provider.shutdown();
