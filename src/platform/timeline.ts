/** The colours that Chrome has for entries of a timeline. */
export type TimelineColor = `${'primary' | 'secondary' | 'tertiary'}${'' | '-light' | '-dark'}` | 'error'

/** Times are those of the monotonic clock. */
export type DrawSpan = (
  label: string,
  startMs: number,
  endMs: number,
  track: string,
  group: string,
  color: TimelineColor,
) => void

/** Draws a span into a recording of Chrome's Performance panel, if one is made. Elsewhere it does nothing that anybody sees. */
export const drawSpan: DrawSpan = (...span) => {
  const { timeStamp } = console as { timeStamp?: DrawSpan }
  timeStamp?.(...span)
}
