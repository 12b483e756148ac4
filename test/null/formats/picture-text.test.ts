import { expect, test } from 'vitest'
import { DataError, OptionError } from '../../../src/base/errors.ts'
import { pictureText } from '../../../src/formats/index.ts'

const esc = '\u001b'
const grey = { count: 1, channels: 1, height: 3, width: 2, pixels: Uint8Array.of(0, 255, 0, 255, 128, 128) }

test('two pixels a character, in 24-bit colours that are named where they change', () => {
  const lines = pictureText(grey, { colours: 'true colour' }).split('\n')
  expect(lines).toEqual([
    `${esc}[38;2;0;0;0;48;2;0;0;0m▀${esc}[38;2;255;255;255;48;2;255;255;255m▀${esc}[0m`,
    // Below the last row of an odd number is the terminal's own background.
    `${esc}[38;2;128;128;128;49m▀▀${esc}[0m`,
  ])
})

test('channels are red, green and blue, of the picture asked for', () => {
  const pixels = Uint8Array.of(0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6)
  const text = pictureText({ count: 2, channels: 3, height: 2, width: 1, pixels }, { colours: 'true colour', index: 1 })
  expect(text).toBe(`${esc}[38;2;1;3;5;48;2;2;4;6m▀${esc}[0m`)
})

test('greys are the nearest of 24', () => {
  const pixels = Uint8Array.from({ length: 512 }, (_, index) => index)
  const text = pictureText({ count: 1, channels: 1, height: 2, width: 256, pixels }, { colours: 'greys' })
  const codes = [...text.matchAll(/38;5;(\d+)/g)].map(([, code]) => Number(code))
  expect(codes).toEqual(Array.from({ length: 24 }, (_, index) => 232 + index))
  const white = { ...grey, pixels: new Uint8Array(6).fill(255) }
  expect(pictureText(white, { colours: 'greys' })).toContain('38;5;255;48;5;255')
})

test('without colours, letters stand for brightness', () => {
  expect(pictureText(grey, { colours: 'none' })).toBe(' @\n++')
  expect(pictureText({ ...grey, pixels: Uint8Array.of(0, 255, 255, 0, 255, 0) }, { colours: 'none' })).toBe('==\n@ ')
})

test('refuses a picture that is not there, and other options', () => {
  expect(() => pictureText(grey, { colours: 'none', index: 1 })).toThrow(DataError)
  expect(() => pictureText(grey, {} as never)).toThrow(OptionError)
  expect(() => pictureText(grey, { colours: 'all' as never })).toThrow(OptionError)
})
