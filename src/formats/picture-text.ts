import * as v from 'valibot'
import { DataError } from '../base/errors.ts'
import { checkOptions, wholeNumber } from '../base/options.ts'
import { type Pictures, pictureLength } from '../base/pictures.ts'

/** What a terminal shows: 24-bit colours, the 24 greys of the 256-colour palette, or letters alone. */
export type TerminalColours = 'true colour' | 'greys' | 'none'

export interface PictureTextOptions {
  readonly colours: TerminalColours
  /** Which of the pictures. Default 0. */
  readonly index?: number
}

const schema = v.strictObject({
  colours: v.picklist(['true colour', 'greys', 'none']),
  index: v.optional(wholeNumber(0)),
})
const upperHalf = '▀'
const ramp = ' .:-=+*#%@'
const reset = '\u001b[0m'

/**
 * A picture as lines of text: a character for every two pixels, one above the other, whose upper half has the colour of the one and whose
 * lower half that of the other. Without colours, a letter stands for the mean brightness of the two: the brighter, the more ink.
 *
 * Throws OptionError on other options, DataError when there is no such picture.
 * @example
 * const lines = pictureText(pictures, { colours: 'true colour', index: 0 })
 */
export function pictureText(pictures: Pictures, options: PictureTextOptions): string {
  checkOptions(schema, options, 'pictureText')
  const { colours, index = 0 } = options
  const { height, width } = pictures
  if (index >= pictures.count)
    throw new DataError(`pictureText: there is no picture ${index}`, { expected: `0 to ${pictures.count - 1}` })
  const colourAt = colourReader(pictures, index)
  const lines = Array.from({ length: Math.ceil(height / 2) }, (_, line) => {
    const pairs = Array.from({ length: width }, (_, x) => ({
      above: colourAt(2 * line, x),
      below: 2 * line + 1 < height ? colourAt(2 * line + 1, x) : undefined,
    }))
    return colours === 'none' ? pairs.map(letter).join('') : colouredLine(pairs, colours)
  })
  return lines.join('\n')
}

type Colour = readonly [red: number, green: number, blue: number]

interface Pair {
  readonly above: Colour
  /** Undefined below the last row of an odd number. */
  readonly below: Colour | undefined
}

function colourReader(pictures: Pictures, index: number): (y: number, x: number) => Colour {
  const { channels, height, width, pixels } = pictures
  const start = index * pictureLength(pictures)
  const area = height * width
  const last = channels - 1
  return (y, x) => {
    const at = start + y * width + x
    return [pixels[at]!, pixels[at + Math.min(1, last) * area]!, pixels[at + Math.min(2, last) * area]!]
  }
}

/** Colours are named only where they change. */
function colouredLine(pairs: readonly Pair[], colours: 'true colour' | 'greys'): string {
  let [line, front, back] = ['', '', '']
  for (const { above, below } of pairs) {
    const [nextFront, nextBack] = [`38;${colourCode(above, colours)}`, below ? `48;${colourCode(below, colours)}` : '49']
    const codes = [...(nextFront === front ? [] : [nextFront]), ...(nextBack === back ? [] : [nextBack])]
    line += `${codes.length > 0 ? `\u001b[${codes.join(';')}m` : ''}${upperHalf}`
    front = nextFront
    back = nextBack
  }
  return line + reset
}

/** The parameters after 38 or 48 of Select Graphic Rendition (ECMA-48, ITU-T T.416). */
function colourCode(colour: Colour, colours: 'true colour' | 'greys'): string {
  if (colours === 'true colour') return `2;${colour.join(';')}`
  // Greys 232 to 255 are 8, 18, … 238.
  return `5;${232 + Math.min(23, Math.max(0, Math.round((brightness(colour) - 8) / 10)))}`
}

function letter({ above, below }: Pair): string {
  const mean = below ? (brightness(above) + brightness(below)) / 2 : brightness(above)
  return ramp[Math.min(ramp.length - 1, Math.floor((mean / 256) * ramp.length))]!
}

/** ITU-R BT.601. */
function brightness([red, green, blue]: Colour): number {
  return Math.round(0.299 * red + 0.587 * green + 0.114 * blue)
}
