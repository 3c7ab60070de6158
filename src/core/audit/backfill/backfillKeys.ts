import type { Distance } from '../../contract/report.ts';
import { GraphBuilder } from '../../engine/graph.ts';
import { createSession } from '../../engine/session.ts';
import type { MeasureHooks } from '../measurePair.ts';
import { pause } from '../pause.ts';
import { TwinFinder } from '../retrievalTwins.ts';
import type { BlockReader, Matrix } from '../vectors.ts';

/**
 * Keys of queries against a gallery, lower is nearer, comparable between galleries: minus the inner product
 * (cosine, dot), the squared distance (euclidean, taken relative to the gallery's first row, because it loses
 * digits far from the origin). Bitwise equal gallery rows have equal keys.
 * @param into queries x gallery, row-major
 */
export async function fillKeys(
  distance: Distance,
  query: Matrix,
  gallery: BlockReader,
  into: Float32Array,
  threads: number | null,
  hooks: MeasureHooks,
): Promise<void> {
  const { rows, columns } = query;
  const width = gallery.source.count;
  const first = await gallery.read(0);
  const origin = distance === 'euclidean' ? first.values.slice(0, columns) : null;
  const finder = new TwinFinder(width);
  const session = await createSession(keyGraph(columns, origin), { threads });
  try {
    for (let start = 0; start < width; start += gallery.blockRows) {
      await pause(hooks);
      const block = start === 0 ? first : await gallery.read(start);
      finder.add(start, block);
      const { key } = await session.run({
        query: { shape: [rows, columns], data: query.values },
        gallery: { shape: [block.rows, columns], data: block.values },
      });
      const keys = key?.data as Float32Array;
      for (let row = 0; row < rows; row++) {
        into.set(keys.subarray(row * block.rows, (row + 1) * block.rows), row * width + start);
      }
    }
  } finally {
    await session.release();
  }
  const twins = await finder.pairs(gallery.source, gallery.form);
  for (let row = 0; row < rows; row++) {
    for (let pair = 0; pair < twins.length; pair += 2) {
      into[row * width + (twins[pair + 1] as number)] = into[row * width + (twins[pair] as number)] as number;
    }
  }
}

function keyGraph(columns: number, origin: Float32Array | null): Uint8Array {
  const graph = new GraphBuilder('keys');
  const query = graph.input('query', 'float32', ['queries', columns]);
  const gallery = graph.input('gallery', 'float32', ['rows', columns]);
  let key = graph.node('Gemm', [query, gallery], { transB: 1, alpha: { float: -1 } });
  if (origin !== null) {
    const base = graph.constant(origin, [columns]);
    const squares = (moved: typeof key, keepdims: number) =>
      graph.node('ReduceSumSquare', [moved, graph.int64s([1])], { keepdims });
    const [movedQuery, movedGallery] = [graph.node('Sub', [query, base]), graph.node('Sub', [gallery, base])];
    const rest = graph.node('Gemm', [movedQuery, movedGallery, squares(movedGallery, 0)], {
      transB: 1,
      alpha: { float: -2 },
    });
    key = graph.node('Add', [rest, squares(movedQuery, 1)]);
  }
  graph.output('key', key, 'float32', ['queries', 'rows']);
  return graph.build();
}
