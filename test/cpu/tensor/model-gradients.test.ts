import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { compile, fromReference, gradients, interpret, type Tensor } from '../../../src/tensor/index.ts'
import { tinyModels } from '../../null/tensor/tiny-models.ts'
import { expectEqual } from './compare.ts'

let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 2 })
})
afterAll(() => device[Symbol.asyncDispose]())

it.each(Object.entries(tinyModels))(
  'loss and gradients of a whole model in the runtime equal the interpreter: %s',
  async (_name, make) => {
    const model = make()
    const parameters = [...model.variables.keys()]
    for (const [variable, value] of model.variables) await variable.write(fromReference(value, 'float32').data)
    const program = compile(
      model.specs,
      (inputs: Record<string, Tensor>) => {
        const loss = model.loss(inputs)
        return { loss, ...Object.fromEntries(gradients(loss, parameters).map((gradient, i) => [`gradient${i}`, gradient])) }
      },
      { device },
    )
    const feeds = Object.entries(model.inputs).map(([name, value]) => [name, fromReference(value, model.specs[name]!.dtype)])
    const results: Record<string, Parameters<typeof expectEqual>[0]> = await program.run(Object.fromEntries(feeds))
    const { outputs } = program.trace
    const expected = interpret([...outputs.values()], { inputs: model.inputs, variables: model.variables })
    for (const [i, name] of [...outputs.keys()].entries()) expectEqual(results[name]!, expected[i]!, name, 2e-6)
    expect(outputs.size).toBe(parameters.length + 1)
  },
)
