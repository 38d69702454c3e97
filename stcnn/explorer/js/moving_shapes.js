// Shapes that move along a line, and discs and rings that grow or shrink.

import { direction, disc, rectangle } from "./coverage.js";
import { fault } from "./stimulus_faults.js";

/** A straight line through a point, by default long enough for an object to enter and leave the field. */
function path(screen, { direction_deg = 0, azimuth_deg = 0, elevation_deg = 0, start_deg, stop_deg }, widthDeg) {
  const [cosine, sine] = direction(direction_deg);
  const [height, width] = screen.shapePx.map((n) => n * screen.degPerPx);
  const angle = (direction_deg * Math.PI) / 180;
  const extent = width * Math.abs(Math.cos(angle)) + height * Math.abs(Math.sin(angle));
  const middle = -(azimuth_deg * cosine + elevation_deg * sine);
  const reach = (extent + widthDeg) / 2;
  const start = start_deg ?? middle - reach, stop = stop_deg ?? middle + reach;
  if (!(stop > start)) fault("stop_deg must lie beyond start_deg");
  return {
    lengthDeg: stop - start,
    beyondDeg: 2 * (Math.hypot(width, height) + Math.abs(start) + Math.abs(stop)),
    direction: [cosine, sine],
    at: (travelled) => [azimuth_deg + (start + travelled) * cosine, elevation_deg + (start + travelled) * sine],
  };
}

/** A shape that moves along its path; `widthOf(args)` is how wide it is that way. */
export function moving(widthOf, shape) {
  return (screen, args) => {
    const { speed_deg_s = 100, luminance = 0 } = args;
    const way = path(screen, args, widthOf(args));
    return {
      courseS: way.lengthDeg / speed_deg_s,
      draw(timeS, cover, light) {
        shape(screen, args, way, way.at(timeS * speed_deg_s), cover);
        light.fill(luminance);
      },
    };
  };
}

/** Arguments of what crosses the middle of the field. */
export const central = (args) => ({ ...args, azimuth_deg: 0, elevation_deg: 0 });

/** Everything behind a line that moves. */
export function edge(screen, args, way, [x, y], cover) {
  const { beyondDeg, direction: [cosine, sine] } = way;
  rectangle(screen, [x - (cosine * beyondDeg) / 2, y - (sine * beyondDeg) / 2], [beyondDeg, beyondDeg], args.direction_deg ?? 0, cover);
}

/** Diameter over time under one of two laws of growth. */
function growth(small, large, { edge_speed_deg_s, r_over_v_s }) {
  const given = [edge_speed_deg_s, r_over_v_s].map((each) => each !== undefined && each !== null);
  if (given[0] === given[1]) fault("give exactly one of edge_speed_deg_s and r_over_v_s");
  if (!(small <= large && large < 360)) fault("the smaller diameter must not exceed the larger one");
  if (given[0]) {
    return {
      courseS: (large - small) / (2 * edge_speed_deg_s),
      at: (timeS) => Math.min(Math.max(small + 2 * edge_speed_deg_s * timeS, small), large),
    };
  }
  if (!(small >= 1e-3 && large < 180)) fault("with r_over_v_s the smaller diameter is above 0 and the larger below 180 degrees");
  const left = (size) => r_over_v_s / Math.tan((size * Math.PI) / 360);
  return {
    courseS: left(small) - left(large),
    at: (timeS) => (2 * Math.atan(r_over_v_s / (left(small) - timeS)) * 180) / Math.PI,
  };
}

/** What grows; `paint` draws it. */
export function looming(paint) {
  return (screen, args) => {
    const { start_deg = 0, end_deg = 60, azimuth_deg = 0, elevation_deg = 0, luminance = 0 } = args;
    const grown = growth(start_deg, end_deg, args);
    return {
      courseS: grown.courseS,
      draw(timeS, cover, light) {
        light.fill(luminance);
        paint({ screen, args, size: grown.at(timeS), centre: [azimuth_deg, elevation_deg], cover, light, end_deg, luminance });
      },
    };
  };
}

/** A disc that shrinks. */
export function receding(screen, args) {
  const { start_deg = 60, end_deg = 0, azimuth_deg = 0, elevation_deg = 0, luminance = 0 } = args;
  const grown = growth(end_deg, start_deg, args);
  return {
    courseS: grown.courseS,
    draw(timeS, cover, light) {
      disc(screen, azimuth_deg, elevation_deg, grown.at(grown.courseS - timeS), cover);
      light.fill(luminance);
    },
  };
}

/** A disc with a hole. */
export function ring({ screen, args, size, centre, cover }) {
  const hole = disc(screen, ...centre, Math.max(size - 2 * (args.line_deg ?? 3), 0), new Float32Array(cover.length));
  disc(screen, ...centre, size, cover);
  for (let i = 0; i < cover.length; i++) cover[i] -= hole[i];
}
