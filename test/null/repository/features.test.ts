import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { renderFeatures } from '../../../bench/features.ts'

it('FEATURES.md says what bench/results shows', () => {
  const text = readFileSync(new URL('../../../FEATURES.md', import.meta.url), 'utf8')
  expect(text, 'run npm run features').toBe(renderFeatures())
})
