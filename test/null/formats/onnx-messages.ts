import { message, text, varint } from './protobuf.ts'

/** A model whose graph has these fields. */
export function withGraph(...fields: Uint8Array[]): Uint8Array {
  return Uint8Array.from([...varint(1, 10), ...message(7, ...fields)])
}

/** A model whose only initializer has these fields. */
export function withTensor(...fields: Uint8Array[]): Uint8Array {
  return withGraph(message(5, text(8, 'w'), ...fields))
}

/** A model whose only node has one attribute with these fields. */
export function withAttribute(...fields: Uint8Array[]): Uint8Array {
  return withGraph(message(1, message(5, text(1, 'a'), ...fields)))
}

/** A model whose only input has this type. */
export function withType(...fields: Uint8Array[]): Uint8Array {
  return withGraph(message(11, text(1, 'x'), message(2, ...fields)))
}
