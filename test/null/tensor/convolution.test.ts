import { expect, it } from 'vitest'
import { createRng } from '../../../src/base/rng.ts'
import { type ConvolutionOptions, constant, conv1d, conv2d, convTranspose1d, input, interpret } from '../../../src/tensor/index.ts'

const values = (label: string, count: number) =>
  Array.from({ length: count }, (_, i) => createRng(1).fold(label).integerAt(i, 9) - 4)

it('conv1d is the sum over channels and taps', () => {
  const [x, w] = [values('x', 2 * 3 * 6), values('w', 2 * 3 * 2)]
  const [result] = interpret([conv1d(constant(x, [2, 3, 6]), constant(w, [2, 3, 2]), { stride: 2, padding: [[1, 2]] })], {
    inputs: {},
  })
  const expected: number[] = []
  for (let n = 0; n < 2; n++)
    for (let o = 0; o < 2; o++)
      for (let i = 0; i < 4; i++) {
        let sum = 0
        for (let c = 0; c < 3; c++)
          for (let k = 0; k < 2; k++) {
            const at = 2 * i + k - 1
            if (at >= 0 && at < 6) sum += x[(n * 3 + c) * 6 + at]! * w[(o * 3 + c) * 2 + k]!
          }
        expected.push(sum)
      }
  expect(result!.shape).toEqual([2, 2, 4])
  expect([...result!.data]).toEqual(expected)
})

it('a transposed convolution is the adjoint: ⟨conv(x), y⟩ = ⟨x, convᵀ(y)⟩', () => {
  const w = constant(values('w', 4 * 1 * 3), [4, 1, 3])
  const x = constant(values('x', 2 * 2 * 7), [2, 2, 7])
  const options = { groups: 2, stride: 2, padding: 1 }
  const forward = conv1d(x, w, options)
  const y = constant(values('y', 2 * 4 * 4), [2, 4, 4])
  const [image, back] = interpret([forward, convTranspose1d(y, w, options)], { inputs: {} })
  const dot = (a: ArrayLike<number>, b: ArrayLike<number>) => Array.from(a).reduce((sum, value, i) => sum + value * b[i]!, 0)
  expect(dot(image!.data, values('y', 32))).toBe(dot(values('x', 28), back!.data))
})

const one = constant([1], [1, 1, 1])
const plane = constant([1], [1, 1, 1, 1])

it.each<[string, () => unknown, RegExp]>([
  [
    'a kernel larger than the padded axis',
    () => conv1d(constant([1, 2], [1, 1, 2]), constant([1, 1, 1], [1, 1, 3])),
    /kernel of 3 does not fit/,
  ],
  ['channels that differ', () => conv1d(constant([1, 2], [1, 2, 1]), constant([1], [1, 1, 1])), /channels/],
  ['a stride of 0', () => conv1d(constant([1], [1, 1, 1]), constant([1], [1, 1, 1]), { stride: 0 }), /stride 0/],
  ['an unknown option', () => conv1d(one, one, { strides: 2 } as ConvolutionOptions), /unknown convolution option 'strides'/],
  [
    'a padding of one side',
    () => conv1d(one, one, { padding: [1] as never }),
    /padding \[1\]; expected a number, or \[before, after\] per axis/,
  ],
  ['padding for another number of axes', () => conv2d(plane, plane, { padding: [[1, 1]] }), /padding \[1\]; expected 2 integer/],
  ['half a dilation', () => conv1d(one, one, { dilation: 0.5 }), /dilation 0.5/],
  [
    'groups that do not divide',
    () => conv1d(constant([1, 2], [1, 2, 1]), constant([1, 2, 3], [3, 1, 1]), { groups: 2 }),
    /2 groups of 3 channels/,
  ],
  [
    'output padding as large as the stride',
    () => convTranspose1d(one, one, { stride: 2, outputPadding: 2 }),
    /output padding 2 with stride 2; expected less/,
  ],
  [
    'a plane where a line belongs',
    () => conv1d(plane, plane),
    /^convolution\(float32\[1, 1, 1, 1\], .*convolution\.test\.ts:\d+:\d+: operands .* expected rank 3/,
  ],
  ['an open spatial size', () => conv2d(input('x', 'float32', [1, 1, 'H', 3]), constant([1], [1, 1, 1, 1])), /spatial size H/],
])('refuses %s', (_name, build, message) => {
  expect(build).toThrow(message)
})
