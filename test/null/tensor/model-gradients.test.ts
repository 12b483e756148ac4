import { expect, it } from 'vitest'
import { createRng } from '../../../src/base/rng.ts'
import { gradients, interpret, trace } from '../../../src/tensor/index.ts'
import { centralDifferences, expectNear } from './finite-differences.ts'
import { tinyModels } from './tiny-models.ts'

const perParameter = 4

it.each(Object.entries(tinyModels))('gradients of a whole model equal finite differences: %s', (_name, make) => {
  const model = make()
  const parameters = [...model.variables.keys()]
  const { outputs } = trace(model.specs, (inputs) => {
    const loss = model.loss(inputs)
    return { loss, ...Object.fromEntries(gradients(loss, parameters).map((gradient, i) => [`gradient${i}`, gradient])) }
  })
  const leaves = { inputs: model.inputs, variables: model.variables }
  const loss = outputs.get('loss')!
  const values = interpret(
    parameters.map((_, i) => outputs.get(`gradient${i}`)!),
    leaves,
  )
  for (const [i, parameter] of parameters.entries()) {
    const { data } = values[i]!
    const rng = createRng(2).fold(parameter.name)
    const elements = Array.from({ length: perParameter }, (_, k) => rng.integerAt(k, data.length))
    const expected = centralDifferences(loss, { shape: [], data: Float64Array.of(1) }, leaves, { leaf: parameter, elements })
    const analytic = elements.map((element) => data[element]!)
    expectNear(analytic, expected, parameter.name, 1e-6)
    // A bias of the keys adds the same to all scores of a query, which softmax ignores.
    const matters = !parameter.name.endsWith('k_proj.bias')
    const largest = data.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    expect(largest > 1e-4, `${parameter.name} matters`).toBe(matters)
  }
})
