import ts from 'typescript'
import type { CodeBlock } from './code-blocks.ts'
import { exampleCast } from './example-cast.ts'
import { referencedNames, topLevelNames } from './module-facts.ts'
import { entryPatterns, type PublicName, readPublicNames } from './public-names.ts'
import { parse, readSources, root } from './source-tree.ts'

/** Compiles pieces of documentation against the sources of the package, by its public names. */
export interface BlockChecker {
  /** The package's own sources. */
  readonly program: ts.Program
  /** What is wrong, as `place: problem`; empty when every block compiles. */
  check(blocks: readonly CodeBlock[]): string[]
}

export function createBlockChecker(): BlockChecker {
  const options = {
    ...readOptions(),
    noUnusedLocals: false,
    noUnusedParameters: false,
    verbatimModuleSyntax: false,
    isolatedModules: false,
  }
  const host = remembering(ts.createCompilerHost(options))
  const entries = [...readSources(...entryPatterns).keys()].map((path) => root + path)
  const program = ts.createProgram({ rootNames: entries, options, host })
  const publicNames = readPublicNames(program)
  return {
    program,
    check(blocks) {
      const texts = new Map(
        blocks.map((block, index) => [`${root}documentation-block-${index}.ts`, withSurroundings(block, publicNames)]),
      )
      const withBlocks = ts.createProgram({
        rootNames: [...entries, ...texts.keys()],
        options,
        host: overlay(host, texts),
      })
      const compiled = [...texts.keys()].map((path, index) => ({ block: blocks[index]!, file: withBlocks.getSourceFile(path)! }))
      return compiled.flatMap(({ block, file }) => [...refusals(block), ...errorsOf(withBlocks, file, block)])
    },
  }
}

function readOptions(): ts.CompilerOptions {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile)
  return ts.parseJsonConfigFileContent(config, ts.sys, root).options
}

/** The host that parses each file once, however many programs share it. */
function remembering(host: ts.CompilerHost): ts.CompilerHost {
  const files = new Map<string, ts.SourceFile | undefined>()
  return {
    ...host,
    getSourceFile: (path, ...rest) => {
      if (!files.has(path)) files.set(path, host.getSourceFile(path, ...rest))
      return files.get(path)
    },
  }
}

/** The host with files of its own laid over the disk. */
function overlay(host: ts.CompilerHost, texts: ReadonlyMap<string, string>): ts.CompilerHost {
  return {
    ...host,
    fileExists: (path) => texts.has(path) || host.fileExists(path),
    readFile: (path) => texts.get(path) ?? host.readFile(path),
    getSourceFile: (path, languageVersion, ...rest) => {
      const text = texts.get(path)
      return text === undefined
        ? host.getSourceFile(path, languageVersion, ...rest)
        : ts.createSourceFile(path, text, languageVersion, true)
    },
  }
}

/** A docstring's block with the public names and the cast that it uses; all on its first line, so that line numbers stay. */
function withSurroundings({ text, entry }: CodeBlock, publicNames: readonly PublicName[]): string {
  const asModule = `${text}\nexport {}`
  if (entry === undefined) return asModule
  const file = parse('block.ts', text)
  const declared = topLevelNames(file)
  const used = [...referencedNames(file)].filter((name) => !declared.has(name))
  return used.map((name) => importOf(name, entry, publicNames) ?? castOf(name) ?? '').join('') + asModule
}

/** From the documented name's own entry if that exports it, else from the first entry that does. */
function importOf(name: string, entry: string, publicNames: readonly PublicName[]): string | undefined {
  const homes = publicNames.filter((known) => known.name === name)
  const home = homes.find((known) => known.entry === entry) ?? homes[0]
  return home && `import { ${name} } from '${home.entry}'; `
}

function castOf(name: string): string | undefined {
  const type = exampleCast.get(name)
  return type && `declare const ${name}: ${type}; `
}

function refusals({ place, meta, text }: CodeBlock): string[] {
  const problems = [
    ...(meta === '' ? [] : [`'${meta}' after the fence; blocks are checked without exception`]),
    ...(/@ts-(ignore|expect-error|nocheck)/.test(text) ? ['a comment that silences the compiler'] : []),
  ]
  return problems.map((problem) => `${place}: ${problem}`)
}

function errorsOf(program: ts.Program, file: ts.SourceFile, { place }: CodeBlock): string[] {
  const diagnostics = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
  return diagnostics.map(({ messageText, start = 0 }) => {
    const line = file.getLineAndCharacterOfPosition(start).line + 1
    return `${place}, code line ${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  })
}
