import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { or, role } from '../../../src/base/visibility.ts'
import { tiedHead } from '../../../src/heads/index.ts'
import { parameters, type Transformer } from '../../../src/nn/index.ts'
import { negativeLogLikelihood, teacherForced } from '../../../src/objectives/index.ts'
import { type Device, openDevice } from '../../../src/platform/index.ts'
import { compile, constant, fromReference, gradients, int32, interpret, type Tensor } from '../../../src/tensor/index.ts'
import { randomVariables } from '../../null/nn/oracle.ts'
import { groupByGroup, plans, sizes, slots, someIds, tinyTransformer } from '../../null/nn/stepwise.ts'
import { expectNear } from '../../null/tensor/finite-differences.ts'

const batch = 2
let device: Device
beforeAll(async () => {
  device = await openDevice({ worker: false, threads: 2 })
})
afterAll(() => device[Symbol.asyncDispose]())

/** A small backbone whose random values are written to it. */
async function written(options: Parameters<typeof tinyTransformer>[0] = {}) {
  const backbone = tinyTransformer(options)
  const { variables } = randomVariables(backbone)
  for (const [variable, value] of variables) await variable.write(fromReference(value, 'float32').data)
  return { backbone, variables }
}

const predictorOf = (backbone: Transformer) => ({ backbone, head: tiedHead(backbone.embed_tokens) })

it.each(Object.keys(plans))(
  'in the runtime, a %s plan computed whole equals it computed group by group, and the interpreter',
  async (name) => {
    const { backbone, variables } = await written()
    const plan = plans[name]!
    const build = ({ ids }: { ids: Tensor }) => ({
      whole: teacherForced(predictorOf(backbone), plan, ids),
      stepped: groupByGroup(backbone, plan, ids),
    })
    const program = compile({ ids: int32(batch, slots) }, build, { device })
    const { whole, stepped } = await program.run({ ids: Int32Array.from(someIds(batch)) })
    const [expected] = interpret([program.trace.outputs.get('whole')!], {
      inputs: { ids: { shape: [batch, slots], data: Float64Array.from(someIds(batch)) } },
      variables,
    })
    const numbers = (tensor: { data: unknown }) => tensor.data as Float32Array
    expectNear(numbers(whole), expected!.data, 'whole', 1e-5)
    expectNear(numbers(stepped), numbers(whole), 'stepped', 1e-5)
  },
)

describe('slots that see nothing', () => {
  it.each([
    ['anywhere', or()],
    ['in some rows', role('query', 'clean')],
  ])('have finite hidden states and gradients: %s', async (_name, visibility) => {
    const { backbone } = await written()
    const plan = { ...plans.prefix!, visibility }
    const weights = constant(new Float32Array(batch * slots).fill(1), [batch, slots])
    const trained = parameters(backbone)
    const program = compile(
      { ids: int32(batch, slots) },
      ({ ids }) => {
        const loss = negativeLogLikelihood(predictorOf(backbone), plan, ids, ids, weights)
        const named = gradients(loss, trained).map((gradient, i) => [`gradient${i}`, gradient])
        return {
          hidden: teacherForced(predictorOf(backbone), plan, ids),
          loss,
          ...(Object.fromEntries(named) as Record<string, Tensor>),
        }
      },
      { device },
    )
    const results = await program.run({ ids: Int32Array.from(someIds(batch)) })
    expect(Object.keys(results)).toHaveLength(trained.length + 2)
    for (const [name, { data }] of Object.entries(results)) {
      expect((data as Float32Array).every(Number.isFinite), name).toBe(true)
    }
    expect(results.hidden.shape).toEqual([batch, slots, sizes.width])
  })
})
