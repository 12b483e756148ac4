import { choice, type Expression, rule } from '../expression.ts'
import { integersBetween, largestInteger, numbersBetween } from './number-ranges.ts'
import { below, keyword, refused, type SchemaObject } from './schema-source.ts'

interface Bound {
  readonly value: number
  readonly excluded: boolean
}

const nothing = choice([])

export function integerExpression(schema: SchemaObject, pointer: string): Expression {
  const { lower, upper } = boundsOf(schema, pointer)
  if (lower === undefined && upper === undefined) return rule('integer')
  const least = lower === undefined ? -largestInteger : lower.excluded ? Math.floor(lower.value) + 1 : Math.ceil(lower.value)
  const most = upper === undefined ? largestInteger : upper.excluded ? Math.ceil(upper.value) - 1 : Math.floor(upper.value)
  return integersBetween(Math.max(least, -largestInteger), Math.min(most, largestInteger)) ?? nothing
}

export function numberExpression(schema: SchemaObject, pointer: string): Expression {
  const format = keyword(schema, 'format')
  if (format === 'int32' || format === 'int64') throw refused(below(pointer, 'format'), 'is of integers', "type: 'integer'")
  const { lower, upper } = boundsOf(schema, pointer)
  if (lower === undefined && upper === undefined) return rule('number')
  for (const [bound, names] of [
    [lower, ['minimum', 'exclusiveMinimum']],
    [upper, ['maximum', 'exclusiveMaximum']],
  ] as const) {
    if (bound === undefined || Number.isInteger(bound.value)) continue
    const name = names.find((each) => keyword(schema, each) === bound.value)!
    throw refused(below(pointer, name), 'is not whole', 'whole numbers as bounds of numbers that need not be whole')
  }
  const [low, high] = [lower?.value ?? -largestInteger, upper?.value ?? largestInteger]
  const bounds = {
    least: Math.max(low, -largestInteger),
    leastExcluded: lower?.excluded === true && low >= -largestInteger,
    most: Math.min(high, largestInteger),
    mostExcluded: upper?.excluded === true && high <= largestInteger,
  }
  return numbersBetween(bounds) ?? nothing
}

function boundsOf(schema: SchemaObject, pointer: string): { readonly lower: Bound | undefined; readonly upper: Bound | undefined } {
  const bound = (name: string, excluded: boolean): Bound[] => {
    const value = keyword(schema, name)
    if (value === undefined) return []
    if (typeof value !== 'number') throw refused(below(pointer, name), 'is no number')
    return [{ value, excluded }]
  }
  // OpenAPI's name for a range, which Ajv asserts.
  const ofFormat = (value: number): Bound[] => (keyword(schema, 'format') === 'int32' ? [{ value, excluded: false }] : [])
  const tighter = (bounds: readonly Bound[], sign: number) =>
    [...bounds].sort((a, b) => sign * (b.value - a.value) || Number(b.excluded) - Number(a.excluded))[0]
  return {
    lower: tighter([...bound('minimum', false), ...bound('exclusiveMinimum', true), ...ofFormat(-(2 ** 31))], 1),
    upper: tighter([...bound('maximum', false), ...bound('exclusiveMaximum', true), ...ofFormat(2 ** 31 - 1)], -1),
  }
}
