import { expect, test } from 'vitest'
import { pictureColours } from '../../../src/cli/terminal.ts'

test.each([
  [24, 'true colour'],
  [8, 'greys'],
  [4, 'none'],
  [1, 'none'],
])('a terminal of %s bits shows pictures in %s', (bits, colours) => {
  expect(pictureColours({ isTTY: true, getColorDepth: () => bits })).toBe(colours)
})

test('what is no terminal shows none', () => {
  expect(pictureColours({ isTTY: false, getColorDepth: () => 24 })).toBeUndefined()
})
