import { BackcompatError } from '../../contract/errors.ts';
import { GraphBuilder, type Value } from '../../engine/graph.ts';
import { createSession } from '../../engine/session.ts';
import { readOnnxFile, signatureText } from '../../models/onnxFile.ts';
import { writeFileAtomic } from '../../runs/atomicFile.ts';
import type { MapShape } from '../procrustes.ts';
import type { Matrix } from '../vectors.ts';
import type { Adapter, AdapterMap } from './adapter.ts';

/** Names of an adapter's input and output. */
export const ADAPTER_INPUT = 'vectors';
export const ADAPTER_OUTPUT = 'adapted';
/** Smallest squared length that is divided by: rows of zeros stay zeros. */
const SMALLEST_SQUARE = 1e-30;

/**
 * Writes an adapter as an ONNX model: `vectors` [n, newColumns] to `adapted` [n, oldColumns], float32, normalisation included where it
 * was fitted for cosine. Only operators that mean the same since opset 8 are used, so that it can be joined with models of any age.
 * Atomic.
 */
export async function saveAdapter(adapter: Pick<Adapter, 'map'>, file: string): Promise<void> {
  await writeFileAtomic(file, adapterModel(adapter.map));
}

/** The model that `saveAdapter` writes. */
export function adapterModel({ newColumns, oldColumns, normalises, linear, network }: AdapterMap): Uint8Array {
  const graph = new GraphBuilder('adapter');
  const multiply = (a: Value, b: Value) => graph.node('MatMul', [a, b]);
  const unit = (rows: Value, columns: number): Value => {
    if (!normalises) return rows;
    // Squares summed by a product: the reductions have changed their form twice.
    const ones = graph.constant(new Float32Array(columns).fill(1), [columns, 1]);
    const squares = multiply(graph.node('Mul', [rows, rows]), ones);
    const guarded = graph.node('Max', [squares, graph.constant(Float32Array.of(SMALLEST_SQUARE), [1])]);
    return graph.node('Div', [rows, graph.node('Sqrt', [guarded])]);
  };
  const x = unit(graph.input(ADAPTER_INPUT, 'float32', ['n', newColumns]), newColumns);
  let mapped = multiply(x, graph.constant(Float32Array.from(linear), [newColumns, oldColumns]));
  if (network !== null) {
    const { hidden, first, second } = network;
    const units = graph.node('Relu', [multiply(x, graph.constant(first, [newColumns, hidden]))]);
    mapped = graph.node('Add', [mapped, multiply(units, graph.constant(second, [hidden, oldColumns]))]);
  }
  graph.output(ADAPTER_OUTPUT, unit(mapped, oldColumns), 'float32', ['n', oldColumns]);
  return graph.build();
}

/** An adapter from a file, ready to map. */
export interface OpenedAdapter extends Pick<Adapter, 'apply' | 'description'> {
  close(): Promise<void>;
}

/**
 * Opens an adapter: a file of `saveAdapter`, or any ONNX model from one table of float32 rows to another.
 * @param shape what it has to map: lengths of the new and of the old vectors
 * @throws BackcompatError `not-found`, `bad-file`; `bad-model` for a model of another form; `dimension-mismatch` naming all four lengths
 */
export async function openAdapter(file: string, shape: MapShape, threads: number | null): Promise<OpenedAdapter> {
  const { inputs, outputs } = await readOnnxFile(file);
  const [input, output] = [inputs[0], outputs[0]];
  const isTable = (value: typeof input) => value?.type === 'float32' && value.shape.length === 2;
  if (!input || !output || inputs.length > 1 || outputs.length > 1 || !isTable(input) || !isTable(output)) {
    const found = `it takes ${inputs.map(signatureText).join(', ')} and gives ${outputs.map(signatureText).join(', ')}`;
    throw new BackcompatError('bad-model', `${file} is no adapter of vectors: ${found}.`, {
      place: { file },
      remedy: 'Give a file of backcompat adapt, or a model from one float32 table [n, length] to another.',
    });
  }
  const { newColumns, oldColumns } = shape;
  const [takes, gives] = [input.shape[1], output.shape[1]];
  const differs = (declared: typeof takes, columns: number) => typeof declared === 'number' && declared !== columns;
  if (differs(takes, newColumns) || differs(gives, oldColumns)) {
    throw new BackcompatError(
      'dimension-mismatch',
      `The adapter ${file} maps vectors of ${takes} to ${gives} components; the new vectors have ${newColumns}, the old ones ${oldColumns}.`,
      { place: { file }, remedy: 'Fit one for this pair: backcompat adapt.' },
    );
  }
  const session = await createSession(file, { threads });
  return {
    description: `the adapter ${file}`,
    async apply({ rows, columns, values }: Matrix) {
      const results = await session.run({ [input.name]: { shape: [rows, columns], data: values } });
      const mapped = results[output.name]?.data as Float32Array;
      const bad = mapped.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0 || mapped.length !== rows * oldColumns) {
        const problem = bad >= 0 ? 'gave NaN or infinite numbers' : `gave ${mapped.length} numbers for ${rows} vectors`;
        throw new BackcompatError('bad-model', `The adapter ${file} ${problem}.`, {
          place: { file },
          remedy: 'Fit it again: backcompat adapt.',
        });
      }
      return { rows, columns: oldColumns, values: mapped };
    },
    close: () => session.release(),
  };
}
