import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DType } from '../../../src/base/dtype.ts'
import { DTypeError } from '../../../src/base/errors.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { compile, interpret, type OpName, type Tensor, toReference } from '../../../src/tensor/index.ts'
import { opSamples } from '../../null/tensor/samples/index.ts'
import { allDTypes, feed, type OpSample } from '../../null/tensor/samples/sample.ts'
import { expectEqual } from './compare.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 1 })
})
afterAll(() => device[Symbol.asyncDispose]())

function build(sample: OpSample, dtype: DType) {
  const { specs, values } = feed(sample, dtype)
  const program = compile(specs, (operands: Record<string, Tensor>) => ({ result: sample.build(operands, dtype) }), { device })
  return { program, values }
}

/** The oracle's value. */
function interpreted(sample: OpSample, dtype: DType) {
  const { program, values } = build(sample, dtype)
  const inputs = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, toReference(value)]))
  const variables = new Map(
    program.trace.variables.map((variable) => [
      variable,
      { shape: variable.concreteShape, data: new Float64Array(variable.concreteShape.reduce((count, size) => count * size, 1)) },
    ]),
  )
  return interpret([program.trace.outputs.get('result')!], { inputs, variables, sizes: sample.sizes ?? {} })[0]!
}

async function check(sample: OpSample, dtype: DType, tolerance: number | undefined): Promise<void> {
  const { program, values } = build(sample, dtype)
  try {
    const { result } = await program.run(values)
    expectEqual(result, interpreted(sample, dtype), `${sample.title}, ${dtype}`, tolerance)
  } finally {
    await program.dispose()
  }
}

async function expectRefused(sample: OpSample, dtype: DType): Promise<void> {
  const attempt = async () => {
    const { program, values } = build(sample, dtype)
    try {
      return await program.run(values)
    } finally {
      await program.dispose().catch(() => undefined)
    }
  }
  await expect(attempt(), `${sample.title}, ${dtype}`).rejects.toThrow(DTypeError)
}

describe.each(Object.keys(opSamples) as OpName[])('%s in the runtime equals the reference', (name) => {
  const { dtypes, samples, tolerance } = opSamples[name]

  it.each(dtypes)('in %s', async (dtype) => {
    for (const sample of samples) await check(sample, dtype, tolerance)
  })

  const others = allDTypes.filter((dtype) => !dtypes.includes(dtype))
  it.runIf(others.length > 0)(`refuses ${others.join(', ')}`, async () => {
    for (const dtype of others) await expectRefused(samples[0]!, dtype)
  })
})
