import { InvalidArgumentError } from 'commander'

/** Columns that tell of the series, by how far they are known. */
export interface Covariates {
  readonly past?: readonly string[]
  readonly future?: readonly string[]
  readonly static?: readonly string[]
}

/** Reads `price:future`, or several with commas between, and adds them to those before. */
export function covariates(text: string, before: Covariates = {}): Covariates {
  const found: Record<string, readonly string[]> = { ...before }
  const pieces = [...text.matchAll(/(.+?):(past|future|static)(?:,|$)/gy)]
  if (pieces.length === 0 || pieces.map(([piece]) => piece).join('') !== text || text.endsWith(','))
    throw new InvalidArgumentError('Expected name:past, name:future or name:static, such as price:future.')
  for (const [, name, kind] of pieces) found[kind!] = [...(found[kind!] ?? []), name!]
  return found
}

/** A path that says which kind of picture is meant. */
export function pictureFile(path: string): string {
  if (/\.(svg|png)$/i.test(path)) return path
  throw new InvalidArgumentError('Expected a name that ends in .svg or .png.')
}

export function pageFile(path: string): string {
  if (/\.html?$/i.test(path)) return path
  throw new InvalidArgumentError('Expected a name that ends in .html.')
}

/** Reads `lags=24` and adds it to those before: values are numbers, true, false or JSON, and else words. */
export function methodOption(text: string, before: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  const [, name, value] = /^(\w+)=(.+)$/.exec(text) ?? []
  if (name === undefined || value === undefined) throw new InvalidArgumentError('Expected name=value, such as lags=24.')
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`'${name}' is given twice.`)
  return { ...before, [name]: optionValue(value) }
}

function optionValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
