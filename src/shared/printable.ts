/**
 * Characters that a terminal would obey, or that make it show others in a different order: control characters, line ends, marks
 * of direction.
 */
const unprintable = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/gu

/** Returns a form of text from an unknown source that is safe to print on a terminal. */
export const printable = (text: string): string => text.replace(unprintable, escaped)

function escaped(character: string): string {
  const hex = character.charCodeAt(0).toString(16)
  return hex.length > 2 ? `\\u${hex.padStart(4, '0')}` : `\\x${hex.padStart(2, '0')}`
}
