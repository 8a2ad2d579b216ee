/** A call that makes no sense. The program exits with 2. */
export class UsageError extends Error {}
