import { expect } from 'vitest'
import { type DType, type HostTensor, isFloat } from '../../../src/base/dtype.ts'
import { toNumbers } from '../../../src/tensor/host-values.ts'
import type { ReferenceValue } from '../../../src/tensor/tensor.ts'

/**
 * That a computed tensor equals the oracle's value: exactly for integers and booleans, to `tolerance` relative to max(1, |value|) for
 * floats (1e-12 in float64, 1e-2 in float16). NaN equals NaN.
 */
export function expectEqual(actual: HostTensor, expected: ReferenceValue, what: string, tolerance = 2e-6): void {
  expect(actual.shape, `${what}: shape`).toEqual([...expected.shape])
  const limit = limitOf(actual.dtype, tolerance)
  const values = toNumbers(actual)
  const wrong = expected.data.findIndex((value, i) => !isNear(values[i]!, value, limit))
  if (wrong >= 0) {
    expect.fail(`${what}: element ${wrong} is ${values[wrong]}, not ${expected.data[wrong]} (tolerance ${limit})`)
  }
}

function limitOf(dtype: DType, tolerance: number): number {
  if (!isFloat(dtype)) return 0
  if (dtype === 'float16') return 1e-2
  return dtype === 'float64' ? 1e-12 : tolerance
}

function isNear(actual: number, expected: number, limit: number): boolean {
  if (Object.is(actual, expected) || actual === expected) return true
  return Math.abs(actual - expected) <= limit * Math.max(1, Math.abs(expected))
}
