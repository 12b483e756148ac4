import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { globSync } from 'tinyglobby'
import ts from 'typescript'

/** The repository's folder, with a slash at its end. */
export const root = fileURLToPath(new URL('../../../', import.meta.url))

/** Sources by path relative to the repository, `/` between the parts. */
export type Sources = ReadonlyMap<string, string>

export function readSources(...patterns: string[]): Sources {
  const paths = globSync(patterns, { cwd: root, expandDirectories: false }).sort()
  return new Map(paths.map((path) => [path, readFileSync(root + path, 'utf8')]))
}

export function parse(path: string, text: string): ts.SourceFile {
  return ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true)
}

/** Every node below `node` in source order, comments aside. */
export function walk(node: ts.Node): ts.Node[] {
  const nodes: ts.Node[] = []
  const visit = (parent: ts.Node): void =>
    ts.forEachChild(parent, (child) => {
      nodes.push(child)
      visit(child)
    })
  visit(node)
  return nodes
}

/** `path:line` of a node, lines from 1. */
export function place(file: ts.SourceFile, node: ts.Node): string {
  return `${file.fileName}:${file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1}`
}
