import { expect, test } from 'vitest'
import { samplingOf } from '../../../src/cli/actions/picture-sampling.ts'
import { guidanceScale } from '../../../src/decode/index.ts'
import type { ImageModel, SampleOptions } from '../../../src/systems/index.ts'

const modelWith = (...options: (keyof SampleOptions)[]) =>
  ({ system: { id: 'sketch' }, sampler: { options } }) as unknown as ImageModel

test('a schedule of guidance is a function of the step', () => {
  const model = modelWith('guidance')
  const scalesOf = (guidanceSchedule?: 'constant' | 'linear' | 'cosine') => {
    const { guidance } = samplingOf(model, { guidance: 4, ...(guidanceSchedule && { guidanceSchedule }) })
    return [0, 1, 2].map((step) => (typeof guidance === 'function' ? guidance(step, 3) : guidance))
  }
  expect(scalesOf()).toEqual([4, 4, 4])
  expect(scalesOf('constant')).toEqual([4, 4, 4])
  expect(scalesOf('linear')).toEqual([1, 2.5, 4])
  expect(scalesOf('cosine')).toEqual([0, 1, 2].map((step) => guidanceScale('cosine', 4)(step, 3)))
})

test('guidance from 1 to 1 stays the number that says there is none', () => {
  expect(samplingOf(modelWith('guidance'), { guidance: 1, guidanceSchedule: 'linear' })).toEqual({ guidance: 1 })
})

test('flags are given on under the names of the library', () => {
  const flags = { selection: 'random', schedule: [1, [2, 3]], size: [2, 3], topK: 4, temperature: 0 } as const
  expect(samplingOf(modelWith('selection', 'schedule', 'size', 'topK', 'temperature'), flags)).toEqual(flags)
  expect(samplingOf(modelWith('special'), { inverse: 'auto' })).toEqual({ special: { inverse: 'auto' } })
  expect(samplingOf(modelWith('special'), { inverse: 'jacobi' })).toEqual({
    special: { inverse: { kind: 'jacobi', tolerance: 1e-4 } },
  })
})

test('flags that the method does not take are refused by name, with those that it does', () => {
  expect(() => samplingOf(modelWith('guidance', 'special'), { selection: 'random' })).toThrow(
    'sketch does not take --selection; expected of these: --guidance, --guidance-schedule, --inverse',
  )
})
