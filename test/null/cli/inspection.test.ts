import { expect, test } from 'vitest'
import { grouped, inspectionOf, inspectionPage, type TensorFacts } from '../../../src/cli/actions/inspection.ts'
import { usesOf } from '../../../src/cli/actions/read-inspection.ts'
import { byteSize, table } from '../../../src/cli/format.ts'

const tensor = (name: string, shape: readonly number[]): TensorFacts => ({
  name,
  dtype: 'float32',
  shape,
  bytes: 4 * shape.reduce((product, size) => product * size, 1),
})

const layers = [
  tensor('embed.weight', [8, 4]),
  tensor('layers.0.w1.weight', [4, 4]),
  tensor('layers.0.norm', [4]),
  tensor('layers.1.w1.weight', [4, 4]),
  tensor('layers.1.norm', [4]),
  tensor('layers.2.w1.weight', [4, 5]),
]

test('tensors that differ in the number of their layer alone share a line', () => {
  expect(grouped(layers).map(({ name, count, bytes }) => [name, count, bytes])).toEqual([
    ['embed.weight', 1, 128],
    ['layers.*.w1.weight', 2, 128],
    ['layers.*.norm', 2, 32],
    ['layers.2.w1.weight', 1, 80],
  ])
})

test('a page counts values and bytes, and lists every tensor when asked to', () => {
  const inspection = inspectionOf('safetensors', { metadata: { by: 'some\u001b[2Jone\n' } }, layers)
  expect(inspection).toMatchObject({ parameters: 32 + 16 + 4 + 16 + 4 + 20, bytes: 4 * 92 })
  const page = inspectionPage(inspection, false)
  expect(page.slice(0, 4)).toEqual(['metadata', '  by  some\ufffd[2Jone', '', '6 tensors, 92 values, 368 B'])
  expect(page).toHaveLength(8)
  expect(page[5]).toMatch(/^ {2}layers\.\*\.w1\.weight {2}× 2 {2}float32 {2}\[4, 4\] {2}128 B$/)
  expect(inspectionPage(inspection, true)).toHaveLength(10)
})

test('types that change when a model is loaded say how', () => {
  expect(usesOf(new Set(['float32', 'bfloat16', 'q8_0', 'q4_0', 'q4_k', 'q6_k', 'uint8']))).toEqual([
    ['bfloat16', 'used as float32'],
    ['q4_k', 'rounded to 8-bit blocks of 32'],
    ['q6_k', 'rounded to 8-bit blocks of 16'],
  ])
})

test('columns are as wide as their longest cell', () => {
  expect(
    table(
      [
        ['a', '1'],
        ['bbb', '200'],
      ],
      ['left', 'right'],
    ),
  ).toEqual(['a      1', 'bbb  200'])
})

test('sizes', () => {
  expect([0, 1023, 1024, 1536, 2 ** 20, 5 * 2 ** 30, 2 ** 60].map(byteSize)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '1.0 MiB',
    '5.0 GiB',
    '1,048,576.0 TiB',
  ])
})
