import type { Tensor } from './tensor.ts'

/** Every node that the given tensors depend on, producers first. Iterative: graphs may be deeper than the call stack. */
export function topologicalOrder(roots: readonly Tensor[]): Tensor[] {
  const order: Tensor[] = []
  const seen = new Set<Tensor>()
  const stack: { node: Tensor; next: number }[] = []
  const open = (node: Tensor) => {
    if (seen.has(node)) return
    seen.add(node)
    stack.push({ node, next: 0 })
  }
  for (const root of roots) {
    open(root)
    while (stack.length > 0) {
      const top = stack.at(-1)!
      if (top.next < top.node.inputs.length) open(top.node.inputs[top.next++]!)
      else order.push(stack.pop()!.node)
    }
  }
  return order
}

/** The nodes that use each node. */
export function consumersOf(order: readonly Tensor[]): Map<Tensor, Tensor[]> {
  const consumers = new Map<Tensor, Tensor[]>(order.map((node) => [node, []]))
  for (const node of order) for (const input of new Set(node.inputs)) consumers.get(input)!.push(node)
  return consumers
}

/** Every node that `node` depends on, itself included. */
export function ancestorsOf(node: Tensor): Set<Tensor> {
  const found = new Set<Tensor>([node])
  // A set is walked in the order of insertion, also through what is added on the way.
  for (const each of found) for (const input of each.inputs) found.add(input)
  return found
}
