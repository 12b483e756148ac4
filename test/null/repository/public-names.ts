import ts from 'typescript'
import { place, root } from './source-tree.ts'

/** A name that an entry of the package exports. */
export interface PublicName {
  readonly name: string
  /** `nextx`, `nextx/tensor`, `nextx/systems/text/gpt`. */
  readonly entry: string
  /** Where src/ declares it; empty for names that belong to other packages. */
  readonly declarations: readonly ts.Declaration[]
}

export const entryPatterns = ['src/index.ts', 'src/*/index.ts', 'src/systems/*/*.ts'] as const

/** Every public name, in the order of the entries' paths. */
export function readPublicNames(program: ts.Program): PublicName[] {
  const checker = program.getTypeChecker()
  return program.getSourceFiles().flatMap((file) => {
    const entry = entryOf(file.fileName)
    const module = entry === undefined ? undefined : checker.getSymbolAtLocation(file)
    if (entry === undefined || module === undefined) return []
    return checker
      .getExportsOfModule(module)
      .map((symbol) => ({ name: symbol.name, entry, declarations: declarationsOf(symbol, checker) }))
  })
}

/** The public functions and classes that have no docstring, as `place name`. */
export function undocumentedNames(names: readonly PublicName[]): string[] {
  const bare = names.filter(({ declarations }) => declarations.some(isCallable) && !declarations.some(isDocumented))
  const lines = bare.map(
    ({ name, declarations: [first] }) => `${first ? place(first.getSourceFile(), first).replace(root, '') : ''} ${name}`,
  )
  return [...new Set(lines)]
}

function isCallable(node: ts.Declaration): boolean {
  if (ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node)) return true
  return ts.isVariableDeclaration(node) && node.initializer !== undefined && ts.isFunctionLike(node.initializer)
}

function isDocumented(node: ts.Declaration): boolean {
  return ts.getJSDocCommentsAndTags(node).length > 0
}

function declarationsOf(symbol: ts.Symbol, checker: ts.TypeChecker): readonly ts.Declaration[] {
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
  return (target.declarations ?? []).filter((node) => node.getSourceFile().fileName.startsWith(`${root}src/`))
}

function entryOf(path: string): string | undefined {
  if (!path.startsWith(root)) return undefined
  const [, folder, system] = /^src\/(?:index|([^/]+)\/index|(systems\/[^/]+\/[^/]+))\.ts$/.exec(path.slice(root.length)) ?? ['none']
  const part = folder ?? system
  if (part !== undefined) return `nextx/${part}`
  return path === `${root}src/index.ts` ? 'nextx' : undefined
}
