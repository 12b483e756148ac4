import { type CodeBatch, countValues, type Unit, unitWidth } from '../../base/codes.ts'
import { MismatchError } from '../../base/errors.ts'
import type { Layout } from '../../base/model.ts'
import type { SampleRequest, SampleStep } from '../image-system.ts'

/** Throws MismatchError on given values of another unit or layout than a network's, or for another number of samples. */
export function checkGiven(network: Unit & { readonly layout: Layout }, { labels, given }: SampleRequest): void {
  if (given === undefined) return
  const [found, expected] = [described(given.values), described(network)]
  if (found !== expected) throw new MismatchError(`values to keep are ${found}`, { expected })
  const size = countValues(network.layout)
  const { data } = given.values
  if (data.length !== labels.length * size * unitWidth(network) || given.known.length !== labels.length * size)
    throw new MismatchError(`${data.length} numbers and ${given.known.length} known for ${labels.length} samples`, {
      expected: `${size} values of ${unitWidth(network)} each`,
    })
}

/**
 * The one step of a request that leaves nothing to draw: all values are given, and come back as they are without a call of a network. Undefined
 * where any is to be drawn; samples that are given whole beside others come back as they are too.
 */
export function givenWhole({ given }: SampleRequest): SampleStep | undefined {
  if (given?.known.every((known) => known === 1) !== true) return undefined
  const values = { ...given.values, data: given.values.data.slice() } as CodeBatch
  return { step: 1, steps: 1, values, known: given.known.slice() }
}

function described(values: Unit & { readonly layout: Layout }): string {
  const unit = values.kind === 'ids' ? `ids below ${values.vocabulary}` : `vectors of ${values.dimension}`
  return `${unit} on ${values.layout.parts.map(({ shape }) => `[${shape}]`).join(' ')}`
}
