import { createRng } from '../../../../src/base/rng.ts'
import { initialize, namedVariables } from '../../../../src/nn/index.ts'
import { FlowStack, type FlowStackOptions } from '../../../../src/systems/image/starflow.ts'

/** Four slots of 2 × 2 pixels: a picture of 4 × 4. */
export const tiny: FlowStackOptions = {
  layout: { parts: [{ shape: [2, 2] }] },
  dimension: 4,
  width: 16,
  heads: 2,
  layers: [1, 2, 1],
  scale: 'softplus',
  positions: 'learned',
  classes: 3,
}

/** A flow whose blocks are far from the identity. */
export async function randomFlow(options: Partial<FlowStackOptions> = {}, spread = 0.3): Promise<FlowStack> {
  const flow = new FlowStack({ ...tiny, ...options })
  const rng = createRng(3).fold('flow')
  await initialize(flow, rng)
  for (const [name, variable] of namedVariables(flow)) {
    if (!name.includes('.head.')) continue
    const values = rng.fold(name).fillNormal(new Float32Array((await variable.read()).length))
    await variable.write(values.map((x) => x * spread))
  }
  return flow
}

export function normals(label: string, count: number): Float32Array {
  return createRng(5).fold(label).fillNormal(new Float32Array(count))
}

export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), a.length === b.length ? 0 : Number.NaN)
}
