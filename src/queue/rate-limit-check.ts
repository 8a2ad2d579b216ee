import * as check from '../shared/check.ts'
import { type RateLimit, rateLimitTypes } from './rate-limit.ts'

const timerMsMax = 2 ** 31 - 1

const parts: check.Checks = {
  limit: check.integer(1),
  intervalMs: check.number(1, timerMsMax),
  type: check.oneOf(...rateLimitTypes),
  burst: check.integer(1),
  minGapMs: check.number(1, timerMsMax),
}

export const rateLimitCheck: check.Check = (value) => {
  const expected = check.nested(parts, 'rateLimit')(value)
  if (expected) return expected
  const { limit, intervalMs, type, burst } = value as Partial<RateLimit>
  if (limit === undefined || intervalMs === undefined) return 'an object with `limit` and `intervalMs`'
  return burst === undefined || type === 'token-bucket' ? undefined : "without `burst`, or of the type 'token-bucket'"
}
