"use strict";
/* Time and energy of the layers in any power mode: the formulas of roofline/devices/tables.py, model/time.py,
 * model/predicted.py, model/energy.py and model/roofline.py, in the same order of operations. Quantities in SI units; NaN is unknown.
 * Nothing in here knows of a page: the tests run it alone, against the Python. */
const model = (() => {
  const orNaN = (value) => (value === null || value === undefined ? NaN : value);

  /** Piecewise linear, flat beyond both ends (numpy.interp). */
  function interpolate(x, xs, ys) {
    const last = xs.length - 1;
    if (x <= xs[0]) return ys[0];
    if (x >= xs[last]) return ys[last];
    let j = 0;
    while (xs[j + 1] <= x) j += 1;
    return ((ys[j + 1] - ys[j]) / (xs[j + 1] - xs[j])) * (x - xs[j]) + ys[j];
  }

  /** V(f)/V(reference); 1 where the device has no curve. */
  function relativeVoltage(device, knobs, reference) {
    const curve = device.voltage;
    if (curve === null || !(curve.knob in reference)) return 1;
    const at = (clock) => interpolate(clock, curve.clock_hz, curve.relative);
    return at(knobs[curve.knob]) / at(reference[curve.knob]);
  }

  /** peak = units * FLOP per clock * clock; bandwidth = min(efficiency * nominal, bytes per clock * clock). */
  function ceilingsIn(device, ceilings, knobs) {
    const clock = knobs[device.clock];
    const count = device.units.per_step * (device.units.knob ? knobs[device.units.knob] : 1);
    const memory = device.memory;
    const nominal = memory.clock === null || memory.bus_bytes === null
      ? orNaN(memory.fixed_byte_per_s)
      : memory.transfers_per_clock * memory.bus_bytes * knobs[memory.clock];
    const dram = nominal * (memory.efficiency === null ? 1 : memory.efficiency);
    const path = device.path_byte_per_clock === null ? Infinity : device.path_byte_per_clock * clock;
    return {
      peak: ceilings.map((ceiling) => count * clock * orNaN(ceiling.flop_per_clock)),
      bandwidth: Math.min(dram, path), dram, path, nominal,
    };
  }

  /** max(compute, memory) per layer, with the ceiling that binds: compute = max over pipes of W / peak. */
  function layerTimes(work, roofs) {
    const layers = work.moved_byte.length;
    const time = new Float64Array(layers);
    const computeTime = new Float64Array(layers);
    const memoryTime = new Float64Array(layers);
    const ceiling = new Int32Array(layers);
    const isMemoryBound = new Uint8Array(layers);
    for (let i = 0; i < layers; i += 1) {
      let compute = 0;
      for (let c = 0; c < work.flop.length; c += 1) {
        const flop = work.flop[c][i];
        const onPipe = flop > 0 ? flop / roofs.peak[c] : 0;
        if (onPipe > compute) {
          compute = onPipe;
          ceiling[i] = c;
        }
      }
      const memory = work.moved_byte[i] / roofs.bandwidth;
      time[i] = Math.max(compute, memory);
      computeTime[i] = compute;
      memoryTime[i] = memory;
      isMemoryBound[i] = memory > compute ? 1 : 0;
    }
    return { time, computeTime, memoryTime, ceiling, isMemoryBound };
  }

  /** Predicted times ((a*C)^q + (b*M)^q)^(1/q) + k per layer, C and M the compute and memory times of the roofline. */
  function predictedTimes({ compute, memory, kernel_s, knee }, layers) {
    return Float64Array.from(layers.computeTime, (seconds, i) => {
      const [c, m] = [seconds * compute[i], layers.memoryTime[i] * memory[i]];
      const larger = Math.max(c, m);
      const part = larger > 0 ? Math.min(c, m) / larger : 0;
      return larger * (1 + part ** knee) ** (1 / knee) + kernel_s[i];
    });
  }

  /** Predicted power p_0 + p_1*s + p_2*s*v^2 + p_3*Q/T: s units times clock, v voltage, both relative to their highest. */
  function predictedPower(device, prediction, knobs, bytePerSecond) {
    const clock = knobs[device.clock];
    const highest = device.knobs[device.clock].values[device.knobs[device.clock].values.length - 1];
    const speed = ((device.units.knob ? knobs[device.units.knob] : 1) * clock) / prediction.speed_reference;
    const hasCurve = device.voltage !== null && device.voltage.knob === device.clock;
    const voltage = hasCurve ? relativeVoltage(device, knobs, { [device.clock]: highest }) : clock / highest;
    const [constant, linear, switching, traffic] = prediction.power;
    return constant + linear * speed + switching * (speed * voltage ** 2) + traffic * bytePerSecond;
  }

  /** The class with the largest share of the time; what no layer computes or moves is overhead. */
  function limitOf(time, isMemoryBound, prediction) {
    const kernels = prediction ? sum(prediction.kernel_s) : 0;
    const layers = sum(time) - kernels;
    const memory = sum(time.map((seconds, i) => (isMemoryBound[i] ? seconds - (prediction ? prediction.kernel_s[i] : 0) : 0)));
    const shares = [["compute", layers - memory], ["memory", memory], ["overhead", prediction ? prediction.host_s + kernels : 0]];
    return shares.reduce((best, share) => (share[1] > best[1] ? share : best))[0];
  }

  /** max(max over pipes of W / peak, Q_min / nominal bandwidth), the cache taken off Q_min. */
  function boundTime(device, way, roofs) {
    let compute = 0;
    way.least_flop.forEach((flop, c) => {
      if (way.ceilings[c].is_known && flop > 0) compute = Math.max(compute, flop / roofs.peak[c]);
    });
    return Math.max(compute, Math.max(0, way.least_byte - (device.cache_bytes || 0)) / roofs.nominal);
  }

  /** Idle power by the model of the device file; without one that of the named mode which a mode starts from. */
  function idlePower(device, energy, mode) {
    const idle = energy.idle.model;
    if (idle === null) return orNaN(energy.idle.power_w[mode.base]);
    const squared = relativeVoltage(device, mode.knobs, idle.reference) ** 2;
    let power = idle.constant_w + (idle.processor_w * (mode.knobs[idle.clock] / idle.reference[idle.clock])) * squared;
    const clock = device.memory.clock;
    if (clock !== null) power += (idle.memory_w * mode.knobs[clock]) / idle.reference[clock];
    return power;
  }

  /** Coefficients in a mode: FLOP and moved bytes scale with v^2, active power with clock * v^2. */
  function coefficientsIn(device, energy, mode) {
    const squared = relativeVoltage(device, mode.knobs, energy.reference) ** 2;
    const speed = mode.knobs[device.clock] / energy.reference[device.clock];
    return {
      perFlop: energy.flop_j.map((value) => squared * orNaN(value)),
      perByte: energy.dram_j + energy.move_j * squared,
      staticPower: idlePower(device, energy, mode) + energy.active_w * speed * squared,
    };
  }

  /** E = eps_flop*W + eps_byte*Q + P_static*T per layer, by the bytes that the coefficients are meant for. */
  function layerEnergies(work, coefficients, time) {
    return Float64Array.from(time, (seconds, i) => {
      let energy = coefficients.perByte * work.moved_byte[i];
      coefficients.perFlop.forEach((perFlop, c) => {
        const flop = work.flop[c][i];
        if (Number.isFinite(perFlop) && flop > 0) energy += perFlop * flop;
      });
      return energy + coefficients.staticPower * seconds;
    });
  }

  const sum = (values) => values.reduce((total, value) => total + value, 0);

  /** All of a model in one mode: what `roofline analyze --mode` works out. */
  function evaluate(device, way, mode) {
    const roofs = ceilingsIn(device, way.ceilings, mode.knobs);
    const { prediction, energy } = way;
    const { time: roofline, ceiling, isMemoryBound, ...parts } = layerTimes(way, roofs);
    const roofline_s = sum(roofline);
    const time = prediction ? predictedTimes(prediction, parts) : roofline;
    const total = prediction ? sum(time) + prediction.host_s : roofline_s;
    const [low, high] = prediction ? prediction.time_band : [NaN, NaN];
    const found = {
      roofs, time, roofline, ceiling, isMemoryBound, total_s: total, roofline_s, low_s: total * low, high_s: total * high,
      bound_s: boundTime(device, way, roofs), limitedBy: total > 0 ? limitOf(time, isMemoryBound, prediction) : null,
      energy: null, energy_j: NaN, energyTime_s: roofline_s, power_w: NaN, isPowerLimited: false, charged: null,
      coefficients: null, energyRoofs: null,
    };
    if (energy !== null) byCoefficients(device, energy, mode, found);
    if (prediction && prediction.power !== null) {
      found.power_w = predictedPower(device, prediction, mode.knobs, sum(way.moved_byte) / total);
      found.energy = time.map((seconds) => found.power_w * seconds);
      found.energy_j = found.power_w * total;
    }
    const limit = device.power_limit_w === null ? Infinity : device.power_limit_w;
    found.isPowerLimited = found.power_w > limit;
    return found;
  }

  /** Energies by the coefficients of the device file; `charged` stays theirs where measured powers predict better. */
  function byCoefficients(device, energy, mode, found) {
    found.energyRoofs = ceilingsIn(device, energy.ceilings, mode.knobs);
    const spent = layerTimes(energy, found.energyRoofs).time;
    found.coefficients = coefficientsIn(device, energy, mode);
    const parts = layerEnergies(energy, found.coefficients, spent);
    found.charged = new Float64Array(found.time.length);
    parts.forEach((joule, i) => { found.charged[energy.layer[i]] += joule; });
    found.energy = found.charged;
    found.energy_j = sum(found.energy);
    found.energyTime_s = sum(spent);
    found.power_w = found.energyTime_s > 0 ? found.energy_j / found.energyTime_s : NaN;
  }

  /** The ceiling that binds a layer, in words. */
  function ceilingName(way, found, i) {
    if (found.isMemoryBound[i]) return found.roofs.path < found.roofs.dram ? "memory path" : "DRAM";
    const ceiling = way.ceilings[found.ceiling[i]];
    return `${ceiling.precision} ${ceiling.pipe}`;
  }

  /** The energy roof W/E = 1/(eps_hat*(1 + B_eps_hat(I)/I)) in FLOP/J (Choi et al., IPDPS 2013). */
  function energyRoof(intensity, perFlop, perByte, staticPower, peak, bandwidth) {
    const hat = perFlop + staticPower / peak;
    const eta = perFlop / hat;
    const balance = eta * (perByte / perFlop) + (1 - eta) * Math.max(0, peak / bandwidth - intensity);
    return 1 / (hat * (1 + balance / intensity));
  }

  /** Put columns in the place of their numbers: `ways` refer to `data.columns`, where each is held once. */
  function unpack(data) {
    const column = (place) => (place === null ? null : data.columns[place]);
    const work = (part) => ({ ...part, flop: part.flop.map(column), moved_byte: column(part.moved_byte) });
    const names = ["name", "op_type", "op", "class", "nodes", "status", "layer_macs", "bytes_read", "bytes_written",
      "weight_bytes_read", "cache_bytes", "findings"];
    return data.ways.map((way) => ({
      ...work(way), ...Object.fromEntries(names.map((name) => [name, column(way[name])])),
      energy: way.energy === null ? null : { ...work(way.energy), layer: column(way.energy.layer) },
      prediction: way.prediction === null ? null : {
        ...way.prediction, ...Object.fromEntries(["compute", "memory", "kernel_s"].map((name) => [name, column(way.prediction[name])])),
      },
    }));
  }

  return { ceilingName, ceilingsIn, energyRoof, evaluate, interpolate, relativeVoltage, sum, unpack };
})();
