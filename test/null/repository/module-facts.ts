import ts from 'typescript'
import { parse, place, walk } from './source-tree.ts'

export interface ImportFact {
  /** `undefined` when the specifier is computed. */
  readonly specifier: string | undefined
  /** Erased by the compiler. `import { type X }` is not: it leaves an empty import behind. */
  readonly typeOnly: boolean
  readonly place: string
}

export interface GlobalFact {
  readonly name: string
  readonly place: string
}

/** What a module asks of its surroundings. */
export interface ModuleFacts {
  readonly imports: readonly ImportFact[]
  /** Uses of globals that only some platforms have. */
  readonly globals: readonly GlobalFact[]
}

const platformGlobals = new Set([
  'process',
  'Buffer',
  'NodeJS',
  'navigator',
  'window',
  'document',
  'require',
  'module',
  'setImmediate',
  '__dirname',
  '__filename',
])

export function factsOf(path: string, text: string): ModuleFacts {
  const file = parse(path, text)
  const nodes = walk(file)
  const declared = new Set(nodes.filter(isDeclaredName).map((node) => node.text))
  const isGlobal = (name: string | undefined): name is string =>
    name !== undefined && platformGlobals.has(name) && !declared.has(name)
  return {
    imports: nodes.flatMap((node) => importsOf(node).map((fact) => ({ ...fact, place: place(file, node) }))),
    globals: nodes.flatMap((node) => {
      const name = referencedName(node)
      return isGlobal(name) ? [{ name, place: place(file, node) }] : []
    }),
  }
}

/** The names that a file gives to variables, functions, classes, types and imports of its outermost scope. */
export function topLevelNames(file: ts.SourceFile): ReadonlySet<string> {
  const names = walk(file).filter(isDeclaredName)
  return new Set(names.filter(({ parent }) => scopeOf(parent) === file).map((node) => node.text))
}

/** The function, block or file in which a declaration's name is known. */
function scopeOf(declaration: ts.Node): ts.Node {
  const isScope = (node: ts.Node) =>
    ts.isSourceFile(node) || ts.isBlock(node) || ts.isFunctionLike(node) || ts.isIterationStatement(node, false)
  return ts.findAncestor(declaration.parent, isScope) ?? declaration
}

/** The names that a file declares or looks up, at any depth; members and keys are not among them. */
export function referencedNames(file: ts.SourceFile): ReadonlySet<string> {
  return new Set(walk(file).flatMap((node) => referencedName(node) ?? []))
}

function importsOf(node: ts.Node): Omit<ImportFact, 'place'>[] {
  if (ts.isImportDeclaration(node)) {
    return [{ specifier: literal(node.moduleSpecifier), typeOnly: node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword }]
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
    return [{ specifier: literal(node.moduleSpecifier), typeOnly: node.isTypeOnly }]
  }
  if (ts.isExternalModuleReference(node)) return [{ specifier: literal(node.expression), typeOnly: false }]
  if (ts.isImportTypeNode(node)) {
    return [{ specifier: ts.isLiteralTypeNode(node.argument) ? literal(node.argument.literal) : undefined, typeOnly: true }]
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return [{ specifier: literal(node.arguments[0]), typeOnly: false }]
  }
  return []
}

function literal(node: ts.Node | undefined): string | undefined {
  return node && ts.isStringLiteralLike(node) ? node.text : undefined
}

function isDeclaredName(node: ts.Node): node is ts.Identifier {
  if (!ts.isIdentifier(node)) return false
  const { parent } = node
  const declares =
    ts.isVariableDeclaration(parent) ||
    ts.isParameter(parent) ||
    ts.isBindingElement(parent) ||
    ts.isFunctionDeclaration(parent) ||
    ts.isFunctionExpression(parent) ||
    ts.isClassDeclaration(parent) ||
    ts.isInterfaceDeclaration(parent) ||
    ts.isTypeAliasDeclaration(parent) ||
    ts.isImportSpecifier(parent) ||
    ts.isImportClause(parent) ||
    ts.isNamespaceImport(parent)
  return declares && parent.name === node
}

function referencedName(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node) && isGlobalThis(node.expression)) return node.name.text
  if (ts.isElementAccessExpression(node) && isGlobalThis(node.expression)) return literal(node.argumentExpression)
  if (!ts.isIdentifier(node)) return undefined
  const { parent } = node
  const isMember =
    (ts.isPropertyAccessExpression(parent) && parent.name === node) ||
    (ts.isQualifiedName(parent) && parent.right === node) ||
    (ts.isBindingElement(parent) && parent.propertyName === node) ||
    ts.isImportSpecifier(parent) ||
    ts.isExportSpecifier(parent) ||
    ts.isMetaProperty(parent) ||
    ts.isNamedTupleMember(parent) ||
    ((ts.isClassElement(parent) || ts.isTypeElement(parent) || ts.isPropertyAssignment(parent) || ts.isEnumMember(parent)) &&
      parent.name === node)
  return isMember ? undefined : node.text
}

function isGlobalThis(node: ts.Node): boolean {
  return ts.isIdentifier(node) && node.text === 'globalThis'
}
