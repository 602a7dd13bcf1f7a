// Blocks of a Bayesian machine. Widths are parameters; nothing here depends on the content of the memory.
`default_nettype none

// Start, stop and the number of cycles done. `start` counts while nothing runs; `done` stays until the next start.
module bayesian_control #(parameter CYCLES = 255) (
  input  wire clk, reset, start,
  input  wire stop,         // end with this cycle
  output wire load,         // the next edge begins a decision
  output reg  busy, done,
  output reg  [7:0] cycle   // cycles done
);
  assign load = start & ~busy;
  localparam [7:0] LAST = CYCLES - 1;
  wire last = stop | (cycle == LAST);
  always_ff @(posedge clk)
    if (reset) begin
      busy <= 1'b0;
      done <= 1'b0;
      cycle <= 8'd0;
    end else if (load) begin
      busy <= 1'b1;
      done <= 1'b0;
      cycle <= 8'd0;
    end else if (busy) begin
      busy <= ~last;
      done <= last;
      cycle <= cycle + 8'd1;
    end
endmodule

// Word at the output of the memory, kept for one decision; 0 if `clear`.
module bayesian_word_register #(parameter WIDTH = 8) (
  input  wire clk, load, clear,
  input  wire [WIDTH-1:0] word,
  output reg  [WIDTH-1:0] kept
);
  always_ff @(posedge clk) if (load) kept <= clear ? {WIDTH{1'b0}} : word;
endmodule

// Random numbers of one column: x^8 + x^6 + x^5 + x^4 + 1, 255 states. The first cycle sees the seed.
module bayesian_lfsr #(parameter [7:0] SEED = 8'd1) (
  input  wire clk, load, step,
  output reg  [7:0] state
);
  always_ff @(posedge clk)
    if (load) state <= SEED;
    else if (step) state <= {state[6:0], state[7] ^ state[5] ^ state[4] ^ state[3]};
endmodule

// The bit of the word at the position of the highest 1 of the random number: 1 in `word` of 255 cycles.
module bayesian_comparator (
  input  wire [7:0] word, random,
  output wire out
);
  assign out = random[7] ? word[7] : random[6] ? word[6] : random[5] ? word[5] : random[4] ? word[4] :
               random[3] ? word[3] : random[2] ? word[2] : random[1] ? word[1] : random[0] & word[0];
endmodule

// Product of a row; a column without an observation multiplies by 1.
module bayesian_row #(parameter COLUMNS = 4) (
  input  wire [COLUMNS-1:0] bits, absent,
  output wire out
);
  assign out = &(bits | absent);
endmodule

// Ones of a row.
module bayesian_counter (
  input  wire clk, load, step,
  output reg  [7:0] count
);
  always_ff @(posedge clk)
    if (load) count <= 8'd0;
    else if (step) count <= count + 8'd1;
endmodule

// Row of the largest count; of equals the lowest.
module bayesian_largest #(parameter ROWS = 4, WINNER = 2) (
  input  wire [8*ROWS-1:0] counts,
  output wire [WINNER-1:0] winner
);
  wire [8*ROWS-1:0] best;
  wire [WINNER*ROWS-1:0] place;
  assign best[7:0] = counts[7:0];
  assign place[WINNER-1:0] = {WINNER{1'b0}};
  genvar r;
  generate
    for (r = 1; r < ROWS; r = r + 1) begin : row
      wire larger = counts[8*r +: 8] > best[8*r-8 +: 8];
      assign best[8*r +: 8] = larger ? counts[8*r +: 8] : best[8*r-8 +: 8];
      localparam [WINNER-1:0] HERE = r;
      assign place[WINNER*r +: WINNER] = larger ? HERE : place[WINNER*(r-1) +: WINNER];
    end
  endgenerate
  assign winner = place[WINNER*(ROWS-1) +: WINNER];
endmodule

// Lowest row that holds a 1; row 0 where none does.
module bayesian_lowest #(parameter ROWS = 4, WINNER = 2) (
  input  wire [ROWS-1:0] bits,
  output wire [WINNER-1:0] winner
);
  wire [WINNER*(ROWS+1)-1:0] place;
  assign place[WINNER*ROWS +: WINNER] = {WINNER{1'b0}};
  genvar r;
  generate
    for (r = 0; r < ROWS; r = r + 1) begin : row
      localparam [WINNER-1:0] HERE = r;
      assign place[WINNER*r +: WINNER] = bits[r] ? HERE : place[WINNER*(r+1) +: WINNER];
    end
  endgenerate
  assign winner = place[WINNER-1:0];
endmodule

// Sum of two logarithms, which stops at 255.
module bayesian_adder (
  input  wire [7:0] a, b,
  output wire [7:0] sum
);
  wire [8:0] whole = {1'b0, a} + {1'b0, b};
  assign sum = whole[7:0] | {8{whole[8]}};
endmodule

// A sum shifted out in eight cycles, highest bit first; it goes round, so that it is whole again at the end.
module bayesian_shifter (
  input  wire clk, step, first,
  input  wire [7:0] sum,
  output wire out,
  output reg  [7:0] kept
);
  wire [7:0] now = first ? sum : kept;
  assign out = now[7];
  always_ff @(posedge clk) if (step) kept <= {now[6:0], now[7]};
endmodule

// Rows that may still hold the least sum, after the bits seen so far; `found` unless all sums are 255.
module bayesian_least #(parameter ROWS = 4) (
  input  wire clk, load, step,
  input  wire [ROWS-1:0] bits,
  output reg  [ROWS-1:0] left,
  output reg  found
);
  wire [ROWS-1:0] zeros = left & ~bits;
  always_ff @(posedge clk)
    if (load) begin
      left <= {ROWS{1'b1}};
      found <= 1'b0;
    end else if (step && |zeros) begin
      left <= zeros;
      found <= 1'b1;
    end
endmodule

`default_nettype wire
