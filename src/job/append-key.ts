/** The keys of the steps in which a job says what it appends to its batch begin with this. */
export const appendPrefix = 'offstage:append '
