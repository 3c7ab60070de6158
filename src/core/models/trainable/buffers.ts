import type { ModelProto } from '../../engine/proto/onnx_pb.js';

/** Names of buffers, which PyTorch does not train: its exporter lists them in the graph's metadata. */
export function buffersOf({ graph }: ModelProto): Set<string> {
  const key = 'pkg.torch.export.ExportedProgram.graph_signature';
  const signature = graph?.metadataProps.find((entry) => entry.key === key)?.value ?? '';
  return new Set([...signature.matchAll(/: BUFFER target='([^']+)'/g)].map((match) => match[1] as string));
}
