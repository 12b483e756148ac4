import ts from 'typescript'
import { parse, place, type Sources, walk } from './source-tree.ts'

/** House rules that the formatter does not know, as `place: what is wrong`. */
export function findLapses(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) => {
    const file = parse(path, text)
    const lapses = [file, ...walk(file)].flatMap((node) => {
      const problem = lapseOf(path, node)
      return problem ? [`${place(file, node)}: ${problem}`] : []
    })
    return [...lapses, ...promisesIn(path, text)]
  })
}

function lapseOf(path: string, node: ts.Node): string | undefined {
  if (node.kind === ts.SyntaxKind.AnyKeyword) return 'any; use unknown and narrow it'
  if (!path.startsWith('src/')) return undefined
  if (isDefaultExport(node) && !path.startsWith('src/systems/')) return 'default export; only systems have one'
  if (isConsole(node) && !path.startsWith('src/cli/')) return 'console; only src/cli speaks to the terminal'
  if (isMutableModuleState(node)) return 'module-level let; state belongs to an instance'
  return undefined
}

function isDefaultExport(node: ts.Node): boolean {
  // `export =` declares what a CommonJS package is.
  if (ts.isExportAssignment(node)) return node.isExportEquals !== true
  if (ts.isExportSpecifier(node)) return node.name.text === 'default'
  return ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some(({ kind }) => kind === ts.SyntaxKind.DefaultKeyword)
}

function isConsole(node: ts.Node): boolean {
  return ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'console'
}

function isMutableModuleState(node: ts.Node): boolean {
  return ts.isVariableStatement(node) && ts.isSourceFile(node.parent) && (node.declarationList.flags & ts.NodeFlags.Const) === 0
}

/** Notes of later work, anywhere in the text. */
function promisesIn(path: string, text: string): string[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      /\b(TO[D]O|FIXM[E])\b/.test(line) ? [`${path}:${index + 1}: a note of later work; do it or drop it`] : [],
    )
}
