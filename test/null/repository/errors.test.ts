import { expect, test } from 'vitest'
import * as base from '../../../src/base/errors.ts'
import * as exported from '../../../src/errors/index.ts'

test('nextx/errors has every error, each with a code of its own', () => {
  expect({ ...exported }).toEqual({ ...base })
  const { NextxError, ...classes } = exported
  const codes = Object.values(classes).map((Class) => {
    const error = new Class('problem', { expected: 'this', fix: 'do that' })
    expect(error).toBeInstanceOf(NextxError)
    expect(error.message).toBe('problem; expected this; do that')
    return error.code
  })
  expect(new Set(codes).size).toBe(codes.length)
})
