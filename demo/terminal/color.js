// Colors, where they are seen and wanted.
import { styleText } from 'node:util'

let isOn = false

/** Not in a pipe or a file, and not if the environment says no. @param {boolean} isWanted */
export function setColor(isWanted) {
  isOn = isWanted && process.stdout.isTTY && process.stdout.hasColors()
}

/** @param {Parameters<typeof styleText>[0]} style @param {string} text */
export const color = (style, text) => (isOn ? styleText(style, text) : text)
