import type { Unit } from '../../base/codes.ts'
import { MismatchError, ShapeError } from '../../base/errors.ts'
import type { Plan } from '../../base/model.ts'
import type { Order } from '../../orders/index.ts'
import type { ImageTokenizer } from '../../tokenizers/index.ts'

/** What a system needs of a tokenizer's values. */
export interface TokenizerNeeds {
  readonly unit: 'ids' | 'vectors'
  /** Parts of the layout: one grid, two scales, or several of which each tells the next ones something. Default: any. */
  readonly parts?: 'one' | 'two' | 'carried'
  /** What its parts carry. Default: whatever it is. */
  readonly carry?: keyof typeof carried
}

/** A tokenizer of which these needs are known to be met. */
export type FittingTokenizer<Needs extends TokenizerNeeds> = ImageTokenizer & {
  readonly unit: Extract<Unit, { readonly kind: Needs['unit'] }>
} & (Needs extends { readonly parts: 'carried' } ? Required<Pick<ImageTokenizer, 'carry'>> : unknown) &
  (Needs extends { readonly carry: 'latest' } ? Required<Pick<ImageTokenizer, 'withScales'>> : unknown)

const kinds = {
  ids: { one: 'vq, fsq or bae', any: 'vq, fsq, bae or multi-scale', two: 'multi-scale', carried: 'multi-scale' },
  vectors: {
    one: 'patches, vae or taef2',
    any: 'patches, vae, taef2 or pyramid',
    two: 'pyramid of two: a small grid of pivots, and the full one',
    carried: 'pyramid',
  },
} as const

const carried = { band: 'bands of frequencies', latest: 'whole pictures' } as const

/** The tokenizer. Throws MismatchError that names the system and the kinds of tokenizers that fit it, when this one does not. */
export function fittingTokenizer<const Needs extends TokenizerNeeds>(
  system: string,
  tokenizer: ImageTokenizer,
  needs: Needs,
): FittingTokenizer<Needs> {
  const problem = unitProblem(tokenizer, needs) ?? partsProblem(tokenizer, needs) ?? carryProblem(tokenizer, needs)
  if (problem === undefined) return tokenizer as FittingTokenizer<Needs>
  const [wanted, found] = problem
  throw new MismatchError(`${system} ${wanted}, and the tokenizer ${tokenizer.kind} ${found}`, { fix: fixOf(needs) })
}

/** The plan of a tokenizer's layout. Throws MismatchError that names the system where the order cannot lay it out. */
export function planFor(system: string, order: Order, { kind, layout }: ImageTokenizer): Plan {
  try {
    return order.plan(layout)
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error
    const grids = layout.parts.map(({ shape }) => shape.join('×')).join(', ')
    throw new MismatchError(`${system} cannot lay out what the tokenizer ${kind} gives, ${grids}: ${error.message}`, {
      cause: error,
    })
  }
}

/** What is wanted, and what was found instead. */
type Problem = readonly [wanted: string, found: string] | undefined

function unitProblem({ unit }: ImageTokenizer, needs: TokenizerNeeds): Problem {
  if (unit.kind === needs.unit) return undefined
  return [`predicts ${needs.unit}`, unit.kind === 'ids' ? 'gives ids' : `gives vectors of ${unit.dimension}`]
}

function partsProblem({ layout: { parts }, carry }: ImageTokenizer, { parts: wanted }: TokenizerNeeds): Problem {
  if (wanted === 'one' && parts.length !== 1) return ['takes values on one grid', `has ${parts.length}`]
  if (wanted === 'two' && parts.length !== 2) return ['takes two scales', `has ${parts.length}`]
  if (wanted !== 'carried') return undefined
  if (parts.length > 1 && parts[0]!.shape.length === 2 && carry !== undefined) return undefined
  return ['predicts scale after scale', parts.length > 1 ? 'has parts that are no grids, or tell later ones nothing' : 'has one']
}

/** Whole pictures are those that other scales can be taken of. */
function carryProblem({ carryKind, withScales }: ImageTokenizer, { carry }: TokenizerNeeds): Problem {
  if (carry === undefined || (carry === 'latest' ? withScales !== undefined : carryKind === carry)) return undefined
  return [`predicts ${carried[carry]}`, `carries ${carryKind}`]
}

function fixOf({ unit, parts, carry }: TokenizerNeeds): string {
  const suffix = carry === undefined ? '' : ` with the carry '${carry}'`
  return `take a tokenizer of the kind ${kinds[unit][parts ?? 'any']}${suffix}`
}
