import { type Context, context, createTraceState, isSpanContextValid, propagation, trace } from '@opentelemetry/api'
import type { JobHeaders } from '../job/record.ts'

/**
 * Returns the headers by which others find the span of this context: those of the propagators that the application has set up, and
 * always W3C's.
 */
export function headersOf(from: Context): Record<string, string> {
  const headers: Record<string, string> = {}
  const span = trace.getSpanContext(from)
  if (!span || !isSpanContextValid(span)) return headers
  propagation.inject(from, headers)
  headers.traceparent ??= `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, '0')}`
  const state = span.traceState?.serialize()
  if (state) headers.tracestate ??= state
  return headers
}

const traceparent = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-|$)/

/** Returns the context with the span that the headers name as the parent of what is begun in it; else the given one. */
export function contextFrom(headers: JobHeaders, base: Context): Context {
  const extracted = propagation.extract(base, headers)
  const found = trace.getSpanContext(extracted)
  if (found && found !== trace.getSpanContext(base) && isSpanContextValid(found)) return extracted
  const [, traceId = '', spanId = '', flags = ''] = traceparent.exec(headers.traceparent ?? '') ?? []
  const span = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16),
    isRemote: true,
    ...(headers.tracestate !== undefined && { traceState: createTraceState(headers.tracestate) }),
  }
  return isSpanContextValid(span) ? trace.setSpanContext(extracted, span) : extracted
}

/**
 * Returns the context of an attempt: spans that are begun in it are children of the span `process <queue>`. For code that `traced` does
 * not reach, as in browsers, which do not keep a context over an `await`.
 *
 * @example
 * ```ts
 * const span = tracer.startSpan('resize', {}, contextOf(job))
 * ```
 */
export const contextOf = (job: { readonly headers: JobHeaders }): Context => contextFrom(job.headers, context.active())
